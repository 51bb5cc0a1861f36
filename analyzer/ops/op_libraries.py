"""Libraries that bring along ops, which PyTorch knows once they are imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

Loaded = TypeVar("Loaded")

_MODULES: Mapping[str, str] = {
    "torchvision": "torchvision",
    "torchaudio": "torchaudio",
    "quantized_decomposed": "torch.ao.quantization.fx._decomposed",
    "torch_nn": "torch.nn.modules.linear_cross_entropy",
}
"""The module that brings along the ops of a space of names: of libraries that are known here, and parts of PyTorch."""


def import_op_libraries(spaces: Collection[str]) -> None:
    """Import what brings along the ops of these spaces of names, where that is known and installed."""
    for space, module in _MODULES.items():
        if space in spaces and importlib.util.find_spec(module.partition(".")[0]) is not None:
            importlib.import_module(module)


def with_op_libraries(read: Callable[[], Loaded]) -> Loaded:
    """What ``read`` loads, after importing the library whose ops it lacks, where that is known and installed.

    Raises what ``read`` raises.
    """
    try:
        return read()
    except RuntimeError as error:
        lacking = [space for space in _MODULES if f"{space}::" in str(error)]
        if not lacking:
            raise
    # Importing the library registers its ops; without it, reading raises as before.
    import_op_libraries(lacking)
    return read()
