"""How far a tensor is from the one that PyTorch computes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

FLOAT_TOLERANCE = 1e-4
"""Greatest error of a float32 output, as a share of the output's range."""

STEPS_TOLERANCE = 1
STEPS_SHARE_TOLERANCE = 0.01
"""Greatest error of a quantized output, in steps of its scale, and the greatest share of elements off at all."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The difference of one tensor to PyTorch's.

    ``max_absolute`` is in the tensor's own unit, ``max_relative`` a share of the largest magnitude in PyTorch's
    tensor, ``signal_to_noise`` in decibels (infinite without a difference). ``steps`` and ``steps_share`` are set
    for quantized tensors, and for the real numbers of one: the greatest error in steps of the scale, and the share
    of elements that are off at all.
    """

    shape: tuple[int, ...]
    dtype: str
    max_absolute: float
    max_relative: float
    signal_to_noise: float
    steps: int | None = None
    steps_share: float | None = None

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the difference is one of rounding only."""
        if self.steps is not None and self.steps_share is not None:
            return self.steps <= STEPS_TOLERANCE and self.steps_share <= STEPS_SHARE_TOLERANCE
        return self.max_relative <= FLOAT_TOLERANCE


def compare(found: torch.Tensor, wanted: torch.Tensor, *, step: float | None = None) -> Numbers:
    """Measure how far ``found`` is from ``wanted``, which PyTorch computed. Another shape is infinitely far.

    ``step`` is the scale of the quantized tensor that both are the real numbers of, where they are.
    """
    shape, dtype = tuple(wanted.shape), str(wanted.dtype).removeprefix("torch.")
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return Numbers(shape, dtype, math.inf, math.inf, -math.inf)
    steps, steps_share = None, None
    if wanted.is_quantized:
        off = (found.int_repr().to(torch.int32) - wanted.int_repr().to(torch.int32)).abs()
        steps, steps_share = int(off.max()), float((off > 0).double().mean())
        found, wanted = found.dequantize(), wanted.dequantize()
    elif step is not None and wanted.dtype is torch.float32:
        off = ((found.double() - wanted.double()) / step).round().abs()
        steps, steps_share = int(off.max()), float((off > 0).double().mean())
    ours, theirs = found.detach().double(), wanted.detach().double()
    same = (ours == theirs) | (ours.isnan() & theirs.isnan())
    error = torch.where(same, torch.zeros_like(theirs), ours - theirs).nan_to_num(nan=math.inf)
    absolute = float(error.abs().max()) if error.numel() else 0.0
    finite = theirs[theirs.isfinite()]
    span = float(finite.abs().max()) if finite.numel() else 0.0
    noise = float((error**2).sum())
    signal = float((finite**2).sum())
    relative = 0.0 if absolute == 0.0 else absolute / span if span else math.inf
    return Numbers(shape, dtype, absolute, relative, _decibels(signal, noise), steps, steps_share)


def _decibels(signal: float, noise: float) -> float:
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and math.isfinite(noise) else -math.inf
