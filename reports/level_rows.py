"""Feature levels that answer alike, as one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from nnapi_check.reports.views import LevelView


@dataclass(frozen=True, slots=True)
class LevelRow:
    """Neighboring levels with one answer, the lowest first."""

    levels: tuple[LevelView, ...]

    @property
    def answer(self) -> LevelView:
        """What each of them says."""
        return self.levels[0]

    @property
    def span(self) -> str:
        """The numbers of the levels: ``3``, or ``3 to 5``."""
        return _span(str(self.levels[0].level), str(self.levels[-1].level))

    @property
    def comes_with(self) -> str:
        """What brings the levels, in few words."""
        promised = [level.android for level in self.levels if level.api_levels]
        if not promised:
            return "updates only"
        words = _span(promised[0], promised[-1].removeprefix("Android "))
        return words if len(promised) == len(self.levels) else f"{words}, updates"

    def holds(self, level: int) -> bool:
        """Whether this is the row of a level."""
        return self.levels[0].level <= level <= self.levels[-1].level


def level_rows(levels: Sequence[LevelView]) -> tuple[LevelRow, ...]:
    """The levels, neighbors together where nothing that a reader is told of them differs but their names."""
    return tuple(LevelRow(tuple(alike)) for _, alike in groupby(levels, key=_told))


def _told(level: LevelView) -> LevelView:
    return replace(level, level=0, android="", api_levels=())


def _span(first: str, last: str) -> str:
    return first if first.removeprefix("Android ") == last else f"{first} to {last}"
