"""What a run of reshapes and permutations does to the elements of a tensor, as one permutation.

Dimensions are split into *factors*, the smallest pieces that are moved as a whole. Factors are named by number, kept
in the order of the source, and reordered by permutations; a reshape only draws other borders between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """A reshape to ``before``, a permutation to ``order`` and a reshape to ``after``, in the fewest dimensions.

    ``before`` has no dimension of 1, and no two of its dimensions stay side by side.
    """

    before: tuple[int, ...]
    order: tuple[int, ...]
    after: tuple[int, ...]


class RearrangementTracker:
    """Follows a tensor through reshapes and permutations."""

    def __init__(self, shape: Sequence[int]) -> None:
        self._sizes: list[int] = []
        self._source: list[int] = []
        self._shape = tuple(shape)
        self._dims: list[list[int]] = [[self._factor(size)] if size != 1 else [] for size in shape]
        self._source = [factor for dim in self._dims for factor in dim]

    def _factor(self, size: int) -> int:
        self._sizes.append(size)
        return len(self._sizes) - 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape now."""
        return self._shape

    def permute(self, order: Sequence[int]) -> None:
        """Put dimension ``order[i]`` at place ``i``."""
        self._dims = [self._dims[axis] for axis in order]
        self._shape = tuple(self._shape[axis] for axis in order)

    def reshape(self, shape: Sequence[int]) -> bool:
        """Draw other borders. False, and nothing is changed, where they cut through factors unevenly."""
        waiting = [factor for dim in self._dims for factor in dim][::-1]
        cuts: list[tuple[int, int, int]] = []
        dims: list[list[int]] = []
        made = len(self._sizes)
        for wanted in shape:
            dim: list[int] = []
            left = wanted
            while left != 1:
                if not waiting or left == 0:
                    del self._sizes[made:]
                    return False
                factor = waiting.pop()
                size = self._sizes[factor]
                if left % size == 0:
                    dim.append(factor)
                    left //= size
                elif size % left == 0:
                    first, second = self._factor(left), self._factor(size // left)
                    cuts.append((factor, first, second))
                    dim.append(first)
                    waiting.append(second)
                    left = 1
                else:
                    del self._sizes[made:]
                    return False
            dims.append(dim)
        self._dims, self._shape = dims, tuple(shape)
        self._cut_source(cuts)
        return True

    def _cut_source(self, cuts: Sequence[tuple[int, int, int]]) -> None:
        for factor, first, second in cuts:
            place = self._source.index(factor)
            self._source[place : place + 1] = [first, second]

    def found(self) -> Rearrangement:
        """What was done so far."""
        place_of = {factor: place for place, factor in enumerate(self._source)}
        order = [place_of[factor] for dim in self._dims for factor in dim]
        before, merged = merged_order([self._sizes[factor] for factor in self._source], order)
        return Rearrangement(before, merged, self._shape)

    def alone(self, axis: int) -> tuple[int, int, int] | None:
        """Where a dimension lies in the source, as elements before, in and after it; None where it is scattered."""
        dim = self._dims[axis]
        if not dim:
            return None
        start = self._source.index(dim[0])
        if self._source[start : start + len(dim)] != dim:
            return None
        sizes = [self._sizes[factor] for factor in self._source]
        return prod(sizes[:start]), prod(sizes[start : start + len(dim)]), prod(sizes[start + len(dim) :])

    def without(self, axis: int) -> Rearrangement:
        """What was done so far to the elements at one place of a dimension, that dimension left out."""
        dropped = set(self._dims[axis])
        source = [factor for factor in self._source if factor not in dropped]
        place_of = {factor: place for place, factor in enumerate(source)}
        dims = [dim for place, dim in enumerate(self._dims) if place != axis]
        order = [place_of[factor] for dim in dims for factor in dim]
        before, merged = merged_order([self._sizes[factor] for factor in source], order)
        return Rearrangement(before, merged, tuple(size for place, size in enumerate(self._shape) if place != axis))


def merged_order(sizes: Sequence[int], order: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes and order with dimensions merged that stay side by side; those of 1 count as any other."""
    follows = {first for first, second in pairwise(order) if second == first + 1}
    before: list[int] = []
    group_of: list[int] = []
    for place, size in enumerate(sizes):
        if place - 1 in follows:
            before[-1] *= size
        else:
            before.append(size)
        group_of.append(len(before) - 1)
    merged = [group_of[place] for place in order if place - 1 not in follows]
    return tuple(before), tuple(merged)


def rearranged(shape: Sequence[int], steps: Sequence[tuple[str, Sequence[int]]]) -> Rearrangement | None:
    """What reshapes (``"reshape"``, shape) and permutations (``"permute"``, order) do to a tensor of ``shape``."""
    tracker = RearrangementTracker(shape)
    for kind, numbers in steps:
        if kind == "permute":
            tracker.permute(numbers)
        elif not tracker.reshape(numbers):
            return None
    return tracker.found()
