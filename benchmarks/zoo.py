"""Every builder of torchvision, for a sweep: each function gives a module with random weights, and inputs of its kind.

nnapi-check sweep 'benchmarks.zoo:*' --feature-level 3 --feature-level 5 --feature-level 8
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torchvision import models

from benchmarks.torchvision_ops import Detector, module_and_inputs

__all__ = models.list_models()  # The names are torchvision's, and each is answered below

Built = tuple[torch.nn.Module, tuple[torch.Tensor, ...]]


def __getattr__(name: str) -> Callable[[], Built]:
    """The function that builds the model of a name."""
    if name not in __all__:
        raise AttributeError(name)

    def build() -> Built:
        torch.manual_seed(5)
        module, inputs = module_and_inputs(name)
        if isinstance(module, Detector):
            # Boxes with nearly equal scores may change their places when a detector is traced.
            module = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]  # no types
        return module, inputs

    return build
