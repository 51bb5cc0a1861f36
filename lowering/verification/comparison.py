"""How far a tensor is from the one that PyTorch computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from nnapi_check.lowering.verification.approximation import (
    FLOAT_TOLERANCE,
    HALF_TOLERANCE,
    STEPS_SHARE_TOLERANCE,
    STEPS_TOLERANCE,
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The difference of one tensor to PyTorch's.

    ``max_absolute`` is in the tensor's own unit, ``max_relative`` a share of the largest magnitude in PyTorch's
    tensor (of 1 where that is all zeros), ``signal_to_noise`` in decibels (infinite without a difference).
    ``tolerance`` is the greatest ``max_relative`` that is accepted: 0 of integers and truth values. ``steps`` and
    ``steps_share`` are set for quantized tensors, and for the real numbers of one: the greatest error in steps of the
    scale, and the share of elements that are off at all; ``mean_square`` is that of the errors in steps.
    ``least_signal_to_noise`` is enough where it is reached.
    """

    shape: tuple[int, ...]
    dtype: str
    max_absolute: float
    max_relative: float
    signal_to_noise: float
    tolerance: float
    steps: int | None = None
    steps_share: float | None = None
    least_signal_to_noise: float = math.inf
    mean_square: float = 0.0

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the difference is one of rounding and of stated bounds only."""
        if self.signal_to_noise >= self.least_signal_to_noise and not self.is_another_form:
            return True
        if self.steps is not None and self.steps_share is not None:
            return self.steps <= STEPS_TOLERANCE and self.steps_share <= STEPS_SHARE_TOLERANCE
        return self.max_relative <= self.tolerance

    @property
    def allowing_no_noise(self) -> Numbers:
        """The same difference, held to what holds without noise inside."""
        return replace(self, least_signal_to_noise=math.inf)

    @property
    def is_another_form(self) -> bool:
        """Whether the shape or the element type is not PyTorch's."""
        return self.tolerance == -math.inf

    def allowing(self, change: float, *, signal_to_noise: float = math.inf) -> Numbers:
        """The same difference, held to a tolerance that is greater by ``change``, or to a ``signal_to_noise``.

        The latter is of tensors of real numbers only, stored as steps or not.
        """
        if self.is_another_form:
            return self
        is_real = self.steps is not None or self.tolerance > 0
        least = min(self.least_signal_to_noise, signal_to_noise if is_real else math.inf)
        return replace(self, tolerance=self.tolerance + change, least_signal_to_noise=least)


def compare(found: torch.Tensor, wanted: torch.Tensor, *, step: float | None = None) -> Numbers:
    """Measure how far ``found`` is from ``wanted``, which PyTorch computed.

    Another shape or element type is infinitely far, and no tolerance allows for it; an infinite or undefined element is
    infinitely far from any other.
    ``step`` is the scale of the quantized tensor that both are the real numbers of, where they are.
    """
    shape, dtype = tuple(wanted.shape), str(wanted.dtype).removeprefix("torch.")
    tolerance = tolerance_of(wanted.dtype)
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return Numbers(shape, dtype, math.inf, math.inf, -math.inf, -math.inf)
    counted: tuple[int, float, float] | None = None
    if wanted.is_quantized:
        counted = _counted(found.int_repr().double() - wanted.int_repr().double())
        found, wanted = found.dequantize(), wanted.dequantize()
    elif step is not None and wanted.dtype is torch.float32:
        counted = _counted(difference(found, wanted) / step)
    error, theirs = difference(found, wanted).abs(), _real(wanted)
    absolute = float(error.max()) if error.numel() else 0.0
    finite = theirs[theirs.isfinite()]
    span = float(finite.abs().max()) if finite.numel() else 0.0
    if tolerance and wanted.dtype is torch.float32:
        span = _span(span)
    noise, signal = float((error**2).sum()), float((finite**2).sum())
    found_numbers = Numbers(shape, dtype, absolute, absolute / (span or 1.0), _decibels(signal, noise), tolerance)
    if counted is None:
        return found_numbers
    steps, share, mean_square = counted
    return replace(found_numbers, steps=steps, steps_share=share, mean_square=mean_square)


def relative_difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """What ``compare`` finds as ``max_relative``, and of finite float32 numbers nothing else, which is far less work.

    Differences are those of 32 bits: to seven digits the same.
    """
    if found.dtype is wanted.dtype is torch.float32 and found.shape == wanted.shape and found.numel():
        ours, theirs = found.detach(), wanted.detach()
        span, absolute = float(theirs.abs().max()), float((ours - theirs).abs().max())
        if math.isfinite(absolute) and math.isfinite(span):
            return absolute / (_span(span) or 1.0)
    return compare(found, wanted).max_relative


def _span(greatest: float) -> float:
    """What float32 differences are a share of: what is smaller than every normal number, devices may take for zero."""
    return max(greatest, torch.finfo(torch.float32).tiny / FLOAT_TOLERANCE) if greatest else 0.0


def tolerance_of(dtype: torch.dtype) -> float:
    """Greatest error of an element, as a share of the range of all."""
    if dtype is torch.float16:
        return HALF_TOLERANCE
    return FLOAT_TOLERANCE if dtype.is_floating_point or dtype.is_complex else 0.0


def _real(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers of a tensor in 64 bits, a complex one's as pairs."""
    plain = tensor.detach()
    return (torch.view_as_real(plain.resolve_conj()) if plain.is_complex() else plain).double()


def difference(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """What each element is off: nothing where both are the same infinity or undefined, else infinity where one is."""
    ours, theirs = _real(found), _real(wanted)
    same = (ours == theirs) | (ours.isnan() & theirs.isnan())
    off = torch.where(same, torch.zeros_like(theirs), ours - theirs)
    # 64-bit integers that differ may be one number as floats.
    if not wanted.dtype.is_floating_point and not wanted.dtype.is_complex:
        off = torch.where((found != wanted) & (off == 0), torch.ones_like(off), off)
    return off.nan_to_num(nan=math.inf, posinf=math.inf, neginf=-math.inf)


def _counted(steps: torch.Tensor) -> tuple[int, float, float] | None:
    """The greatest of some numbers of steps, the share of those that are not 0, and the mean of their squares; None
    where one is infinite."""
    if not bool(steps.isfinite().all()):
        return None
    off = steps.round().abs()
    return (int(off.max()), float((off > 0).double().mean()), float((off**2).mean())) if off.numel() else (0, 0.0, 0.0)


def _decibels(signal: float, noise: float) -> float:
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and math.isfinite(noise) else -math.inf


_LEAST_CLASSES = 3
"""An output of fewer columns is hardly one of classes."""


@dataclass(frozen=True, slots=True)
class FirstPlaces:
    """In how many rows of an output of classes the greatest element is where PyTorch has it, or one as great there.

    ``own`` and ``own_agreed`` count the same of PyTorch's own, its ops off by the steps of their bounds.
    """

    output: int
    rows: int
    agreed: int
    own: int
    own_agreed: int


def first_places(
    output: int, found: torch.Tensor, wanted: torch.Tensor, own: Sequence[torch.Tensor]
) -> FirstPlaces | None:
    """Compare the classes that rows put first; None where an output has no rows of classes."""
    if wanted.dim() != 2 or found.shape != wanted.shape or wanted.shape[1] < _LEAST_CLASSES or not wanted.numel():
        return None
    alike = [draw for draw in own if draw.shape == wanted.shape]
    agreed = [_agreed(draw, wanted) for draw in (found, *alike)]
    return FirstPlaces(output, wanted.shape[0], agreed[0], len(alike) * wanted.shape[0], sum(agreed[1:]))


def _agreed(found: torch.Tensor, wanted: torch.Tensor) -> int:
    mine, theirs = (tensor.dequantize() if tensor.is_quantized else tensor for tensor in (found, wanted))
    best = theirs.gather(1, mine.argmax(1, keepdim=True))
    return int((best[:, 0] == theirs.amax(1)).sum())
