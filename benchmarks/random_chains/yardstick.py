"""How exact PyTorch itself is on a chain: the same steps in float64, and with noise as large as rounding.

An element that noise moves by far more than its size has no one right answer: it stands on a tie or a jump.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cached_property

import torch

from benchmarks.random_chains.drawing import run_eagerly
from benchmarks.random_chains.steps import Chain, Rounding, forward_source, in_double, method, place_parameters
from nnapi_check.lowering.verification.approximation import FLOAT_TOLERANCE

ROUNDING = 1e-6
"""Noise as large as what float32 loses in one step."""

LOSS_FACTOR = 8.0
"""How many times PyTorch's own loss another order of the same sums may lose."""

DRAWS = 24
NOISE_FACTOR = 4.0


class Reading(Enum):
    """What the yardstick says of a difference."""

    LOSS = "no larger than what PyTorch's float32 loses"
    TIE = "on a tie or a jump"
    BOUND = "within the bound of an approximation"
    FAULT = "larger than any rounding"


class Yardstick:
    """The chain in float64, made when first asked for."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._values = [value for step in chain.steps for value in step.results]

    def read(self, found: torch.Tensor, wanted: torch.Tensor, bound: float = 0.0) -> Reading:
        """What a difference is. ``bound`` is by how much approximate steps before a jump may be off, or by which share
        of a range; an element that so much moves may be anything that it moves it to."""
        value = self._value_of(wanted)
        if value is None:
            return Reading.FAULT
        exact = self._exact[value]
        loss = float((wanted.double() - exact).abs().max())
        span = float(exact.abs().max())
        allowed = max(FLOAT_TOLERANCE * span, LOSS_FACTOR * loss)
        error = (found.double() - exact).abs().nan_to_num(nan=torch.inf)
        if float(error.max()) <= allowed:
            return Reading.LOSS
        moved = self._moved(value, ROUNDING)
        if bool((error <= allowed + NOISE_FACTOR * moved).all()):
            return Reading.TIE
        if bound and bool((error <= allowed + NOISE_FACTOR * self._moved(value, bound, is_coarse=True)).all()):
            return Reading.BOUND
        return Reading.FAULT

    def knows(self, wanted: torch.Tensor) -> bool:
        """Whether a tensor is one that the chain names: what an op becomes inside may be none."""
        return self._value_of(wanted) is not None

    def _value_of(self, wanted: torch.Tensor) -> int | None:
        """The value of the chain that a tensor is, told by its elements."""
        for value, tensor in self._plain.items():
            if tensor.shape == wanted.shape and tensor.dtype == wanted.dtype and torch.equal(tensor, wanted):
                return value
        return None

    @cached_property
    def _plain(self) -> dict[int, torch.Tensor]:
        found = run_eagerly(self._chain, self._chain.tensors(), self._values)
        return dict(zip(self._values, found, strict=True))

    @cached_property
    def _exact(self) -> dict[int, torch.Tensor]:
        return self._in_double(0, 0.0)

    def _moved(self, value: int, size: float, *, is_coarse: bool = False) -> torch.Tensor:
        """By how much noise of a size moves each element of a value at most."""
        moved = torch.zeros_like(self._exact[value])
        for noisy in self._noisy(size, is_coarse=is_coarse):
            moved = torch.maximum(moved, (noisy[value] - self._exact[value]).abs())
        return moved

    def _noisy(self, size: float, *, is_coarse: bool) -> Iterator[dict[int, torch.Tensor]]:
        for draw in range(DRAWS):
            yield self._in_double(draw + 1, size, is_coarse=is_coarse)

    def _in_double(self, seed: int, size: float, *, is_coarse: bool = False) -> dict[int, torch.Tensor]:
        """Every value of the chain in float64, with noise in what rounds; coarse noise is of one size everywhere."""
        holder = _Noisy(torch.Generator().manual_seed(seed), size, is_coarse=is_coarse)
        place_parameters(holder, {name: _double(tensor) for name, tensor in self._chain.parameters().items()})
        source = in_double(forward_source(self._chain, outputs=self._values, is_noisy=size > 0))
        with torch.no_grad():
            found = method(source)(holder, *map(_double, self._chain.tensors()))
        if not isinstance(found, tuple):
            raise TypeError("a chain gives a tuple")
        return {value: tensor.double() for value, tensor in zip(self._values, found, strict=True)}


class _Noisy(torch.nn.Module):
    def __init__(self, generator: torch.Generator, size: float, *, is_coarse: bool) -> None:
        super().__init__()
        self._is_coarse = is_coarse
        self._generator = generator
        self._size = size

    def noise(self, tensor: torch.Tensor, rounding: str, read: torch.Tensor | None = None) -> torch.Tensor:
        """The tensor with noise that is a share of each element, or of the range: of a sum, that of what it read."""
        if not tensor.is_floating_point():
            return tensor
        drawn = torch.rand(tensor.shape, generator=self._generator, dtype=tensor.dtype) * 2 - 1
        match Rounding.TIES if self._is_coarse else Rounding(rounding):
            case Rounding.ELEMENT:
                scale = tensor.abs()
            case Rounding.RANGE:
                scale = tensor.abs().max()
            case Rounding.SUM:
                scale = torch.maximum(tensor.abs().max(), (tensor if read is None else read).abs().max())
            case Rounding.TIES | Rounding.NONE:
                scale = tensor.abs().max().clamp(min=1.0)
        return tensor + self._size * drawn * scale


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
