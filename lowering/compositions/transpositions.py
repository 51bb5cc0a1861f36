"""A permutation of any number of dimensions as permutations of four at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod

from nnapi_check.analyzer.nnapi_types import MAX_RANK


def transpositions(sizes: Sequence[int], order: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes and orders, one after another, that put dimension ``order[i]`` at place ``i``.

    One step where there are four dimensions at most. Otherwise each step exchanges two neighboring runs of
    dimensions, seen as one dimension each between all that stands before and behind them.
    """
    if len(order) <= MAX_RANK:
        if list(order) != sorted(order):
            yield tuple(sizes), tuple(order)
        return
    current = list(range(len(sizes)))
    for place, wanted in enumerate(order):
        start = current.index(wanted)
        if start == place:
            continue
        stop = start + 1
        # What follows in the wanted order, and stands behind it already, moves along.
        while stop < len(current) and order[place + stop - start] == current[stop]:
            stop += 1
        cuts = (0, place, start, stop, len(current))
        runs = [current[low:high] for low, high in pairwise(cuts)]
        yield tuple(prod(sizes[axis] for axis in run) for run in runs), (0, 2, 1, 3)
        current = [*runs[0], *runs[2], *runs[1], *runs[3]]
