"""Packed parameters of quantized ops for examples: a weight, a bias and the numbers of a convolution, as PyTorch packs
them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch

_ENGINE = "qnnpack"  # The engine of PyTorch Mobile; those of desktops saturate sums of 8-bit products.
_CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_TRANSPOSED = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}


@dataclass(frozen=True, slots=True)
class Packing:
    """How an op's packed parameters are made: the argument they are passed as, and the numbers they hold."""

    argument: str
    prepack: str
    numbers: Mapping[str, int]
    axes: int

    @classmethod
    def of(cls, schema: torch._C.FunctionSchema) -> Packing | None:
        """The packing of an op, or None where it takes no packed parameters."""
        argument = next((found for found in schema.arguments if "PackedParams" in str(found.type)), None)
        if argument is None:
            return None
        name = schema.name.removeprefix("quantized::")
        if name.startswith("linear"):
            return cls(argument.name, "linear_prepack", {}, 0)
        kind = next(kind for kind in ("conv_transpose", "conv") if name.startswith(kind))
        axes = int(name[len(kind)])
        numbers = _TRANSPOSED if kind == "conv_transpose" else _CONVOLUTION
        return cls(argument.name, f"{kind}{axes}d_prepack", numbers, axes)

    @property
    def names(self) -> frozenset[str]:
        """What an example may give for the packed parameters."""
        return frozenset({"weight", "bias", *self.numbers})

    def pack(self, weight: torch.Tensor, bias: torch.Tensor | None, given: Mapping[str, object]) -> object:
        """The packed parameters, for the engine that PyTorch Mobile has."""
        numbers = [
            _repeated(given.get(name, default), self.axes) if name != "groups" else given.get(name, default)
            for name, default in self.numbers.items()
        ]
        before = torch.backends.quantized.engine
        torch.backends.quantized.engine = _ENGINE
        try:
            return cast("Callable[..., object]", getattr(torch.ops.quantized, self.prepack))(weight, bias, *numbers)
        finally:
            torch.backends.quantized.engine = before


USUAL_SPREAD = 2
"""How many times the least scale per channel the greatest is about."""


def _repeated(value: object, axes: int) -> list[object]:
    return list(value) if isinstance(value, Sequence) else [value] * axes


def per_channel(tensor: torch.Tensor, axis: int, spread: int = USUAL_SPREAD) -> torch.Tensor:
    """A signed quantized tensor with a scale of its own for each slice along ``axis``, none equal to another, and the
    tensor's zero point. The scales are from the tensor's own up to ``spread`` times as much."""
    count = tensor.shape[axis]
    scales = tensor.q_scale() * (1 + (spread - 1) * torch.arange(count, dtype=torch.float64) / count)
    zeros = torch.full((count,), tensor.q_zero_point(), dtype=torch.int64)
    return torch.quantize_per_channel(tensor.dequantize(), scales, zeros, axis, torch.qint8)
