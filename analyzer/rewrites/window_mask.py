"""A constant that is added to a tensor of rank 5, between two reshapes: the mask of a shifted window attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class Spread:
    """How a constant of the wide rank becomes one of the narrow rank: expanded to ``wide``, reshaped to ``narrow``."""

    wide: tuple[int, ...]
    narrow: tuple[int, ...]


def spread_of(constant: Sequence[int], wide: Sequence[int], narrow: Sequence[int]) -> Spread | None:
    """How to add a constant, which broadcasts to ``wide``, to the same elements in the shape ``narrow``.

    None where a dimension of ``narrow`` is no product of neighboring dimensions of ``wide``.
    """
    groups = _groups(wide, narrow)
    if groups is None or len(constant) > len(wide):
        return None
    aligned = (1,) * (len(wide) - len(constant)) + tuple(constant)
    expanded = list(aligned)
    for group in groups:
        if any(aligned[axis] != 1 for axis in group):
            for axis in group:
                expanded[axis] = wide[axis]
    return Spread(tuple(expanded), tuple(prod(expanded[axis] for axis in group) for group in groups))


def _groups(wide: Sequence[int], narrow: Sequence[int]) -> list[list[int]] | None:
    """The axes of ``wide`` that each axis of ``narrow`` holds; those of size 1 go where they come first."""
    groups: list[list[int]] = []
    axis = 0
    for size in narrow:
        group: list[int] = []
        count = 1
        while count < size and axis < len(wide):
            group.append(axis)
            count *= wide[axis]
            axis += 1
        if count != size:
            return None
        groups.append(group)
    rest = list(range(axis, len(wide)))
    return groups if all(wide[place] == 1 for place in rest) else None
