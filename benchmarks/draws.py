"""Tensors to run a model on that nobody would think of: zeros of both signs, halves, infinities, NaN, large numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum

import torch


class Draw(Enum):
    """What kind of elements a draw holds."""

    SAMPLE = "sample"  # what the sample itself came with
    FINITE = "finite"  # zeros of both signs, negative numbers, halves, some hundreds
    SPECIAL = "special"  # here and there an infinity or NaN
    DENSE = "dense"  # infinities, NaN and zeros nearly everywhere, so that whole rows are made of one of them
    LARGE = "large"  # numbers whose squares overflow, and some below the normal ones


DRAWN = tuple(draw for draw in Draw if draw is not Draw.SAMPLE)

_PLAIN = (0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.5, -2.5, 3.0, -3.0, 7.0, 1e-3, -1e-3, 100.0, -100.0, 1000.0)
_SPECIAL = (math.inf, -math.inf, math.nan, 0.0, -0.0)
_DENSE = (math.inf, -math.inf, -math.inf, math.nan, 0.0, -0.0, 1.0, -1.0)
_LARGE = (1e30, -1e30, 90.0, -90.0, 1e5, -1e5, 1e-20, -1e-20, 1e-40, -1e-40, 0.0, 1.0)
_WHOLE = (0, 1, -1, 2, -2, 3, -3, 5, 7, -8, 100, -100, 127)
# PyTorch itself dies of the least number of all, divided by -1.
_WIDE = (2**31 - 1, -(2**31) + 1, 65536, -65537, 2**24 + 1, 0, 1, -1)


def drawn(draw: Draw, tensors: Sequence[torch.Tensor], generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Tensors of the same types as these, with other elements."""
    return tuple(_drawn(draw, tensor, generator, _whole) for tensor in tensors)


def drawn_with_places(
    draw: Draw, tensors: Sequence[torch.Tensor], generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """The same, with whole numbers from the range that they have already, as those that say places must be."""
    return tuple(_drawn(draw, tensor, generator, _places) for tensor in tensors)


Whole = Callable[[Draw, torch.Tensor, torch.Generator], torch.Tensor]


def _drawn(draw: Draw, tensor: torch.Tensor, generator: torch.Generator, whole: Whole) -> torch.Tensor:
    if draw is Draw.SAMPLE or not tensor.numel():
        return tensor.clone()
    if tensor.dtype is torch.bool:
        return torch.rand(tensor.shape, generator=generator) < 0.5
    if tensor.is_complex():
        real, imaginary = (_floats(draw, tensor.shape, generator) for _ in range(2))
        return torch.complex(real, imaginary).to(tensor.dtype)
    if not tensor.is_floating_point():
        return whole(draw, tensor, generator)
    return _floats(draw, tensor.shape, generator).to(tensor.dtype)


def _floats(draw: Draw, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    plain = torch.randn(shape, generator=generator) * 2
    few = min(0.3, 2 / max(plain.numel(), 1))
    pool, share = {
        Draw.FINITE: (_PLAIN, 0.5),
        Draw.SPECIAL: (_SPECIAL, few),
        Draw.DENSE: (_DENSE, 0.8),
        Draw.LARGE: (_LARGE, 0.6),
    }[draw]
    chosen = torch.tensor(pool)[torch.randint(len(pool), shape, generator=generator)]
    if draw is Draw.DENSE and float(torch.rand((), generator=generator)) < 0.5:
        # Everything the same: a row of negative infinities, or of zeros.
        chosen = torch.tensor(pool)[torch.randint(len(pool), (), generator=generator)].expand(shape)
    return torch.where(torch.rand(shape, generator=generator) < share, chosen, plain)


def _whole(draw: Draw, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    pool: tuple[int, ...] = _WIDE if draw is Draw.LARGE else _WHOLE
    if tensor.dtype not in (torch.int32, torch.int64):
        limits = torch.iinfo(tensor.dtype)
        pool = tuple(number for number in _WHOLE if limits.min <= number <= limits.max)
    chosen = torch.tensor(pool)[torch.randint(len(pool), tensor.shape, generator=generator)]
    return chosen.to(tensor.dtype)


def _places(_draw: Draw, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    low, high = int(tensor.min()), int(tensor.max())
    return torch.randint(low, high + 1, tensor.shape, generator=generator).to(tensor.dtype)
