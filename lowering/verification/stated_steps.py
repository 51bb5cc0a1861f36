"""Quantized values held to the bound of the op that makes them, in steps of their scale."""

from __future__ import annotations

import math
from math import prod, sqrt

import torch

from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.lowering.verification.approximation import MARGIN
from nnapi_check.lowering.verification.comparison import Numbers

HALVES = 0.5
"""The share that is off where each element is halfway between two steps: rounded to even, every other one goes up."""


def spread_of(tensor: torch.Tensor) -> float:
    """The root mean square of the real numbers that a layer reads, with one step more: its bias is rounded as well.

    TorchScript compiles it.
    """
    if tensor.numel() == 0:
        return 0.0
    step = tensor.q_scale() if tensor.is_quantized else 0.0
    real = tensor.dequantize() if tensor.is_quantized else tensor
    return math.sqrt(float(real.double().square().mean()) + step * step)


def held_to_steps(numbers: Numbers, bound: Bound | None, spread: float | None = None) -> Numbers:
    """The difference of a value, accepted where it is within the bound of its op, if that states one.

    ``spread`` is the root mean square of the op's input, where that is known: the deviation is in proportion to it.
    What is off on more elements than halves between two steps could be is no rounding, however small.
    """
    if bound is None or (numbers.steps or 0) > bound.steps:
        return numbers
    count, share = prod(numbers.shape), numbers.steps_share or 0.0
    if bound.deviation:
        deviation = bound.deviation if spread is None else bound.deviation * spread / bound.spread
        is_within = numbers.mean_square <= _greatest_mean_square(count, MARGIN * deviation)
    else:
        is_within = share <= _greatest_share(count, bound.share)
    return numbers.allowing(0.0, signal_to_noise=numbers.signal_to_noise) if is_within else numbers


def _greatest_mean_square(count: int, deviation: float) -> float:
    """That of so many errors in whole steps, which rounding makes of errors with this root mean square."""
    # Of an error below a step, rounding makes a whole one as often as it is large, and adds a sixth to a larger one.
    expected = deviation**2 + min(deviation, 1 / 6)
    return expected * (1 + 6 / sqrt(count)) + (1.5 * sqrt(count) + 1) / count if count else 0.0


def _greatest_share(count: int, stated: float) -> float:
    """The share of so many elements that may be off at all: by chance more than expected, of a few even all."""
    return max(HALVES, MARGIN * stated) + (1.5 * sqrt(count) + 1) / max(count, 1)
