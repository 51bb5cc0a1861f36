"""Every builder of torchvision, for a sweep: each function gives a module with random weights, and inputs of its kind.

nnapi-check sweep 'benchmarks.zoo:*' --feature-level 3 --feature-level 5 --feature-level 8
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torchvision import models

from benchmarks.data_dependent_init import SPREAD, change_by_inputs, initialize_by_data
from benchmarks.detectors import THRESHOLDS
from benchmarks.quantized_builds import Build, built, quantize
from benchmarks.quantized_builds import images as images_of_noise
from benchmarks.torchvision_ops import Detector, module_and_inputs
from nnapi_check.analyzer.torchscript import quantized_as_on_phones

__all__ = models.list_models()  # The names are torchvision's, and each is answered below

Built = tuple[torch.nn.Module, tuple[torch.Tensor, ...]]


def __getattr__(name: str) -> Callable[[], Built]:
    """The function that builds the model of a name."""
    if name not in __all__:
        raise AttributeError(name)

    def build() -> Built:
        torch.manual_seed(5)
        if name.startswith("quantized_"):
            return _quantized(name.removeprefix("quantized_"))
        module, inputs = module_and_inputs(name, **THRESHOLDS.get(name, {}))
        initialize_by_data(module, inputs)
        if isinstance(module, Detector):
            with torch.no_grad():
                found = module(*inputs)
            if not len(found[0]):
                raise ValueError(f"{name} finds no box, so that nothing would be compared: lower its threshold.")
            # Boxes with nearly equal scores may change their places when a detector is traced.
            module = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]  # no types
        else:
            _refuse_constant(name, module, inputs)
        return module, inputs

    return build


@quantized_as_on_phones()
def _quantized(builder: str) -> Built:
    """torchvision's quantized model of a builder, calibrated on images of noise."""
    build = Build(builder, is_fx=False, engine="qnnpack")
    size = 299 if builder == "inception_v3" else 224
    images = images_of_noise(5, size, 0)
    module = quantize(initialize_by_data(built(build), images[:1]), build, images[:4])
    _refuse_constant(builder, module, images[4:])
    return module, tuple(images[4:])


def _refuse_constant(name: str, module: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> None:
    change = change_by_inputs(module, inputs)
    if change < SPREAD:
        raise ValueError(f"What {name} gives changes by {change:.0e} with its inputs: nothing would be compared.")
