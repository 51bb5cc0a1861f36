"""Runs that draw each of many subjects anew, and hold what is found to a bound: their options, rows and table."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, sqrt
from pathlib import Path
from time import monotonic
from typing import Protocol

from benchmarks.measured_page import added, kept_lines, said_when, write_page


class Row(Protocol):
    """What was found of one subject."""

    beyond: list[str]
    """What is beyond its bound."""

    @property
    def cells(self) -> Mapping[str, str]:
        """The numbers, as the table tells them, by the names of its columns."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The row of a subject as a file keeps it: how often it was drawn, by which seed, on which day."""

    name: str
    draws: int
    seed: int
    date: str
    cells: Mapping[str, str]
    beyond: Sequence[str]

    @property
    def words(self) -> str:
        """The row in words."""
        told = ", ".join(f"{number} {name}" for name, number in self.cells.items() if number)
        return "\n".join([f"{self.name}: {told}", *(f"{_INDENT}{text}" for text in self.beyond)])


Draw = Callable[[int, int], Row]
"""Draws a subject so many times, by a seed."""


_INDENT = " " * 4

_SURE = 4
"""How many standard deviations a share may be above what is stated: by chance once in 30,000 rows."""


@dataclass(slots=True)
class Shares:
    """How many elements were off, and of how many that was stated, over draws that are independent of each other."""

    elements: int = 0
    off: float = 0.0
    stated: float = 0.0
    squares: float = 0.0

    def add(self, elements: int, off: float, stated_share: float) -> None:
        """Count one draw: of so many elements so many were off, where a share was stated."""
        stated = elements * stated_share
        self.elements += elements
        self.off += off
        self.stated += stated
        self.squares += (off - stated) ** 2

    @property
    def is_beyond(self) -> bool:
        """Whether more was off than stated, by more than chance. Elements of one draw may all be off together."""
        return self.off - self.stated > _SURE * sqrt(self.squares)

    @property
    def cells(self) -> dict[str, str]:
        """Both shares, as the table tells them."""
        elements = max(self.elements, 1)
        return {"of elements off": f"{self.off / elements:.4%}", "stated": f"{self.stated / elements:.4%}"}


def read_rows(lines: Path | None) -> dict[str, Kept]:
    """The last row of each subject that a file keeps; none of a file that is not there."""
    found = kept_lines(lines) if lines is not None else ()
    return {row.name: row for row in (Kept(**told) for told in found)}


def table(rows: Mapping[str, Kept], names: Sequence[str]) -> Iterator[str]:
    """What was found as Markdown: when, a row for each subject, what is beyond its bound, and what was not drawn."""
    found = [rows[name] for name in names if name in rows]
    columns = list(dict.fromkeys(column for row in found for column in row.cells))
    yield said_when(row.date for row in found)
    yield ""
    yield f"| rule | draws | seed | {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * (len(columns) + 2)}"
    for row in found:
        yield f"| `{row.name}` | {row.draws} | {row.seed} | {' | '.join(row.cells.get(name, '') for name in columns)} |"
    yield ""
    beyond = [row for row in found if row.beyond]
    count = sum(row.draws for row in found)
    yield f"- {len(found)} of {len(names)} rules were drawn, {count:,} times in all; beyond their bound: {len(beyond)}."
    yield from (f"- `{row.name}`: {text}" for row in beyond for text in row.beyond)
    left = [f"`{name}`" for name in names if name not in rows]
    if left:
        yield f"- Not drawn yet: {', '.join(left)}."


def run(
    title: str, subjects: Iterable[tuple[str, Draw]], arguments: Sequence[str] | None, page: Path | None = None
) -> int:
    """Draw the subjects that the arguments ask for, print a row for each, and return the exit code.

    With ``--lines`` rows are added to a file, and subjects that it has a row of, of as many draws, are left out: a run
    that was ended goes on where it was, and ``--minutes`` ends it by itself. ``--write`` puts all of them on the page.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[], help="names that hold this text; repeatable")
    parser.add_argument("--lines", type=Path, help="the file of rows to go on with")
    parser.add_argument("--minutes", type=float, default=inf, help="after which no further subject is begun")
    if page is not None:
        parser.add_argument("--write", action="store_true", help=f"write the table of --lines into docs/{page.name}")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    known, began, all_subjects = read_rows(options.lines), monotonic(), list(subjects)
    for name, draw in all_subjects:
        is_asked = any(text in name for text in options.only or [""])
        if not is_asked or (name in known and known[name].draws >= options.draws):
            continue
        if monotonic() - began >= 60 * options.minutes:
            print("The time is over: the same call goes on with --lines.")
            break
        row = draw(options.draws, options.seed)
        day = datetime.now(UTC).date().isoformat()
        known[name] = Kept(name, options.draws, options.seed, day, row.cells, row.beyond)
        print(known[name].words, flush=True)
        if options.lines:
            added(known[name], options.lines)
    if page is not None and options.write:
        write_page(list(table(known, [name for name, _ in all_subjects])), page)
    return int(any(row.beyond for row in known.values()))
