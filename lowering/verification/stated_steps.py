"""Quantized values held to the bound of the op that makes them, in steps of their scale."""

from __future__ import annotations

from math import prod, sqrt

from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.lowering.verification.approximation import MARGIN
from nnapi_check.lowering.verification.comparison import Numbers

_HALVES = 0.5
"""The share that is off where each element is halfway between two steps: rounded to even, every other one goes up."""


def held_to_steps(numbers: Numbers, bound: Bound | None) -> Numbers:
    """The difference of a value, accepted where it is within the bound of its op, if that states one.

    What is off on more elements than halves between two steps could be is no rounding, however small.
    """
    steps, share = numbers.steps or 0, numbers.steps_share or 0.0
    if bound is None or steps > bound.steps or share > _greatest_share(prod(numbers.shape), bound.share):
        return numbers
    return numbers.allowing(0.0, signal_to_noise=numbers.signal_to_noise)


def _greatest_share(count: int, stated: float) -> float:
    """The share of so many elements that may be off at all: by chance more than expected, of a few even all."""
    return max(_HALVES, MARGIN * stated) + (1.5 * sqrt(count) + 1) / max(count, 1)
