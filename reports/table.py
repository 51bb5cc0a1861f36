"""Tables of text that fit the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import zip_longest

import tabulate as drawing
from tabulate import tabulate

from nnapi_check.reports.terminal import WIDTH

# Columns are fitted to the terminal's width here, so headings get no room beyond their own.
drawing.MIN_PADDING = 0

GAP = 2
LEAST_WIDTH = 10
LEAST_NAME_WIDTH = 40


class Fit(Enum):
    """What happens to a cell that is too long.

    Its column never shrinks, or it is cut in the middle, folded, or takes a line of its own (a name to be copied).
    """

    KEEP = auto()
    CUT = auto()
    FOLD = auto()
    OWN_LINE = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, what its long cells do, and whether it holds numbers, which stand on the right."""

    heading: str
    fit: Fit = Fit.KEEP
    is_number: bool = False


def text(heading: str, fit: Fit = Fit.KEEP) -> Column:
    """A column of words."""
    return Column(heading, fit)


def number(heading: str) -> Column:
    """A column of numbers."""
    return Column(heading, Fit.KEEP, is_number=True)


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The lines of a table, at most as wide as a terminal where columns may shrink that far.

    Only the first column can give a cell a line of its own.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = _widths(columns, cells)
    lines: list[Sequence[str]] = []
    names: dict[int, str] = {}
    for row in cells:
        is_spilled = columns[0].fit is Fit.OWN_LINE and len(row[0]) > widths[0]
        if is_spilled:
            names[len(lines)] = row[0]
        rest = ["", *row[1:]] if is_spilled else row
        fitted = [_fitted(cell, width, column.fit) for cell, width, column in zip(rest, widths, columns, strict=True)]
        lines.extend(zip_longest(*fitted, fillvalue=""))
    drawn = tabulate(
        lines,
        headers=[column.heading for column in columns],
        disable_numparse=True,
        colalign=["right" if column.is_number else "left" for column in columns] if lines else None,
    ).splitlines()
    heading = len(drawn) - len(lines)
    yield from (line.rstrip() for line in drawn[:heading])
    for index, line in enumerate(drawn[heading:]):
        if index in names:
            yield names[index]
        yield line.rstrip()


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[int]:
    widths = [
        max(len(column.heading), *(len(row[index]) for row in cells)) if cells else len(column.heading)
        for index, column in enumerate(columns)
    ]
    least = [
        max(LEAST_NAME_WIDTH if column.fit is Fit.OWN_LINE else LEAST_WIDTH, len(column.heading)) for column in columns
    ]
    excess = sum(widths) + GAP * (len(widths) - 1) - WIDTH
    while excess > 0:
        spare = [i for i, column in enumerate(columns) if column.fit is not Fit.KEEP and widths[i] > least[i]]
        if not spare:
            break
        widths[max(spare, key=lambda index: widths[index])] -= 1
        excess -= 1
    return widths


def _fitted(cell: str, width: int, fit: Fit) -> list[str]:
    match fit:
        case Fit.KEEP | Fit.OWN_LINE:
            return [cell]
        case Fit.CUT:
            return [shortened(cell, width)]
        case Fit.FOLD:
            return textwrap.wrap(cell, width, break_on_hyphens=False) or [""]


def shortened(words: str, width: int) -> str:
    """The words, cut in the middle where they are too long."""
    if len(words) <= width:
        return words
    half = (width - 1) // 2
    return f"{words[:half]}…{words[len(words) - (width - 1 - half) :]}"
