"""On how many elements a quantized result lies halfway between two steps, which PyTorch and NNAPI round otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil, floor, inf

from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.nnapi_types import single_precision
from nnapi_check.analyzer.quantities import Uses, quantity
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import Halves, Way

ROUNDED_HALVES = "quantized-halves"
"""The difference that is bridged."""

_GREATEST_DENOMINATOR = 510
"""Whole multiples of a fraction reach halves by 255 of its steps at most."""

_NEAR = 1e-6
"""Fractions that differ by so little of themselves round alike, but for what lies halfway."""


def with_halves(way: Way, node: Node, uses: Uses, *, is_rounded: bool) -> Way:
    """The way with a bound that counts in what lies halfway. ``is_rounded``: PyTorch rounds floats, halves to even."""
    if way.halves is None:
        return way
    are_alike = way.halves.alike and not is_rounded
    share = max(
        (share_of_halves(ratios, are_alike=are_alike) for ratios in _ratios(way.halves, node, uses)), default=0.0
    )
    if not share:
        return way
    stated = way.bound or Bound(steps=1)
    bound = replace(stated, share=min(1.0, stated.share + share))
    return replace(way, bound=bound, differences=(*way.differences, ROUNDED_HALVES))


def _ratios(halves: Halves, node: Node, uses: Uses) -> Iterator[tuple[float, ...]]:
    """The steps that results are sums of, in steps of the output's; of a list of tensors, those of each."""
    made = quantity("output.scale", node, uses)
    for steps in halves.steps:
        found = [quantity(path, node, uses) for path in steps]
        for each in found[0] if len(found) == 1 and isinstance(found[0], tuple) else ():
            if isinstance(each, float) and isinstance(made, float):
                yield (single_precision(each) / single_precision(made),)
        numbers = [item for item in found if isinstance(item, int | float)]
        if len(numbers) == len(found) and isinstance(made, float):
            yield tuple(single_precision(number) / single_precision(made) for number in numbers)


def share_of_halves(ratios: tuple[float, ...], *, are_alike: bool = False) -> float:
    """The share of sums of whole multiples of these ratios that are rounded otherwise: every other one of the halves.

    Whole multiples of fractions with the least common denominator d are halfway once in d times, where d is even.
    """
    if not all(0 < abs(ratio) < inf for ratio in ratios):
        return 0.0
    for d in _denominators(ratios):
        off = [abs(ratio * d - round(ratio * d)) for ratio in ratios]
        if all(error <= _NEAR * abs(ratio) * d for error, ratio in zip(off, ratios, strict=True)):
            is_exact = not any(off)
            return 0.0 if d % 2 or (are_alike and is_exact) else 1 / (2 * d)
    return 0.0


def _denominators(ratios: tuple[float, ...]) -> Iterable[int]:
    """What may be the least common denominator: of one ratio, that of the simplest fraction that is near enough."""
    if len(ratios) > 1:
        return range(1, _GREATEST_DENOMINATOR + 1)
    size = abs(ratios[0])
    found = simplest_denominator(size * (1 - _NEAR), size * (1 + _NEAR))
    return (found,) if found <= _GREATEST_DENOMINATOR else ()


def simplest_denominator(low: float, high: float) -> int:
    """The least denominator of the fractions from ``low`` to ``high``, which are above 0, by continued fractions."""
    # The denominators of the last two convergents.
    before, last = 1, 0
    while (whole := floor(low)) != low and whole + 1 > high:
        before, last = last, whole * last + before
        low, high = 1 / (high - whole), 1 / (low - whole)
    return ceil(low) * last + before
