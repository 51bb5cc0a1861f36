"""Quantization as exported programs write it, put together without the library that quantizes models."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch

importlib.import_module("torch.ao.quantization.fx._decomposed")

Function = Callable[..., torch.Tensor]

ops = torch.ops.quantized_decomposed


@dataclass(frozen=True)
class Steps:
    """How a tensor is rounded."""

    scale: float
    zero_point: int
    dtype: torch.dtype = torch.uint8
    single: float = field(init=False)
    """The scale as observers compute it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "single", float(torch.tensor(self.scale)))

    @property
    def numbers(self) -> tuple[float, int, int, int, torch.dtype]:
        """What the ops take beside a tensor."""
        limits = torch.iinfo(self.dtype)
        return self.single, self.zero_point, limits.min, limits.max, self.dtype

    def quantize(self, x: torch.Tensor) -> torch.Tensor:
        """Floats as integers."""
        return cast("torch.Tensor", ops.quantize_per_tensor(x, *self.numbers))

    def dequantize(self, x: torch.Tensor) -> torch.Tensor:
        """Integers as floats."""
        return cast("torch.Tensor", ops.dequantize_per_tensor(x, *self.numbers))

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """The real numbers of the integers that floats are rounded to."""
        return self.dequantize(self.quantize(x))


class Between(torch.nn.Module):
    """A function of floats between what is rounded before and after it; its inputs are rounded alike."""

    def __init__(self, function: Function, before: Steps, after: Steps) -> None:
        super().__init__()
        self.function = function
        self.before, self.after = before, after

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """The function of the rounded inputs, rounded."""
        return self.after.rounded(self.function(*map(self.before.rounded, given)))


class RoundedWeight(torch.nn.Module):
    """Stored integers as the weight of a convolution or a layer, of one scale or one for each output."""

    def __init__(self, layer: torch.nn.Module, *, per_channel: bool = False, folded: bool = True) -> None:
        super().__init__()
        weight = cast("torch.Tensor", layer.weight).detach()
        self.kind = type(layer)
        self.stride = getattr(layer, "stride", 1)
        self.padding = getattr(layer, "padding", 0)
        self.groups = getattr(layer, "groups", 1)
        bias = cast("torch.Tensor | None", layer.bias)
        self.bias = None if bias is None else bias.detach()
        self.per_channel, self.folded = per_channel, folded
        self.scale = float(weight.abs().amax() / 127)
        self.register_buffer("scales", (weight.abs().flatten(1).amax(1) / 127))
        self.register_buffer("zero_points", torch.zeros(len(weight), dtype=torch.int64))
        self.register_buffer("weight", self._quantized(weight) if folded else weight)

    def _quantized(self, weight: torch.Tensor) -> torch.Tensor:
        if self.per_channel:
            return cast(
                "torch.Tensor",
                ops.quantize_per_channel(weight, self.scales, self.zero_points, 0, -127, 127, torch.int8),
            )
        return cast("torch.Tensor", ops.quantize_per_tensor(weight, self.scale, 0, -127, 127, torch.int8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer by its rounded weight."""
        held = cast("torch.Tensor", self.weight)
        stored = held if self.folded else self._quantized(held)
        if self.per_channel:
            weight = ops.dequantize_per_channel(stored, self.scales, self.zero_points, 0, -127, 127, torch.int8)
        else:
            weight = ops.dequantize_per_tensor(stored, self.scale, 0, -127, 127, torch.int8)
        if self.kind is torch.nn.Linear:
            return torch.nn.functional.linear(x, weight, self.bias)
        if self.kind is torch.nn.ConvTranspose2d:
            return torch.nn.functional.conv_transpose2d(x, weight, self.bias, self.stride, self.padding)
        convolve = torch.nn.functional.conv1d if self.kind is torch.nn.Conv1d else torch.nn.functional.conv2d
        return convolve(x, weight, self.bias, self.stride, self.padding, 1, self.groups)
