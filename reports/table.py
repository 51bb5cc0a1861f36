"""Tables of text that fit the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import zip_longest

from nnapi_check.reports.terminal import WIDTH

GAP = 2
LEAST_WIDTH = 10
LEAST_NAME_WIDTH = 28


class Fit(Enum):
    """What happens to a cell that is too long.

    Its column never shrinks, or it is folded between words, or takes a line of its own (a name to be copied).
    """

    KEEP = auto()
    FOLD = auto()
    OWN_LINE = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, what its long cells do, and whether it holds numbers, which stand on the right.

    Where there is no room for all columns, those that ``yields`` are left out, the one with the highest first.
    """

    heading: str
    fit: Fit = Fit.KEEP
    is_number: bool = False
    yields: int = 0


def text(heading: str, fit: Fit = Fit.KEEP, *, yields: int = 0) -> Column:
    """A column of words."""
    return Column(heading, fit, yields=yields)


def number(heading: str, *, yields: int = 0) -> Column:
    """A column of numbers."""
    return Column(heading, Fit.KEEP, is_number=True, yields=yields)


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]], *, width: int | None = WIDTH) -> Iterator[str]:
    """The lines of a table, at most as wide as ``width`` where its columns may shrink or be left out that far.

    No word is cut. Only the first column can give a cell a line of its own.
    """
    columns, cells, widths = _laid_out(columns, [[str(cell) for cell in row] for row in rows], width)
    lines: list[Sequence[str]] = []
    names: dict[int, str] = {}
    for row in cells:
        is_spilled = columns[0].fit is Fit.OWN_LINE and len(row[0]) > widths[0]
        if is_spilled:
            names[len(lines)] = row[0]
        rest = ["", *row[1:]] if is_spilled else row
        fitted = [_fitted(cell, room, column.fit) for cell, room, column in zip(rest, widths, columns, strict=True)]
        lines.extend(zip_longest(*fitted, fillvalue=""))
    drawn = _drawn(columns, lines)
    heading = len(drawn) - len(lines)
    yield from (line.rstrip() for line in drawn[:heading])
    for index, line in enumerate(drawn[heading:]):
        if index in names:
            yield names[index]
        yield line.rstrip()


def _drawn(columns: Sequence[Column], lines: Sequence[Sequence[str]]) -> list[str]:
    # Importing it takes as long as a fifth of a command without tables.
    import tabulate

    # Columns are fitted to the terminal's width here, so headings get no room beyond their own.
    tabulate.MIN_PADDING = 0
    return tabulate.tabulate(
        lines,
        headers=[column.heading for column in columns],
        disable_numparse=True,
        colalign=["right" if column.is_number else "left" for column in columns] if lines else None,
    ).splitlines()


def _laid_out(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int | None
) -> tuple[Sequence[Column], Sequence[Sequence[str]], list[int]]:
    """The columns that there is room for, their cells, and their widths."""
    while True:
        widths = [max(len(column.heading), *(len(row[i]) for row in cells), 0) for i, column in enumerate(columns)]
        if width is None:
            return columns, cells, widths
        least = [_least(column, [row[i] for row in cells]) for i, column in enumerate(columns)]
        room = width - GAP * (len(columns) - 1)
        last = max(range(len(columns)), key=lambda index: columns[index].yields)
        if sum(map(min, widths, least)) <= room or not columns[last].yields:
            return columns, cells, _shrunken(columns, widths, least, room)
        columns = [*columns[:last], *columns[last + 1 :]]
        cells = [[*row[:last], *row[last + 1 :]] for row in cells]


def _least(column: Column, cells: Sequence[str]) -> int:
    """How narrow a column may become without cutting a word."""
    match column.fit:
        case Fit.KEEP:
            return max(len(column.heading), *(len(cell) for cell in cells), 0)
        case Fit.FOLD:
            words = (len(word) for cell in cells for word in cell.split())
            return max(LEAST_WIDTH, len(column.heading), *words)
        case Fit.OWN_LINE:
            return max(LEAST_NAME_WIDTH, len(column.heading))


def _shrunken(columns: Sequence[Column], widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    found = list(widths)
    while sum(found) > room:
        spare = [i for i, column in enumerate(columns) if column.fit is not Fit.KEEP and found[i] > least[i]]
        if not spare:
            break
        found[max(spare, key=lambda index: found[index])] -= 1
    return found


def _fitted(cell: str, width: int, fit: Fit) -> list[str]:
    match fit:
        case Fit.KEEP | Fit.OWN_LINE:
            return [cell]
        case Fit.FOLD:
            return textwrap.wrap(cell, width, break_on_hyphens=False, break_long_words=False) or [""]
