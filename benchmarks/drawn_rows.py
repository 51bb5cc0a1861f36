"""Runs that draw each of many subjects anew, and hold what is found to a bound: their options, and their table."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from pathlib import Path
from time import monotonic
from typing import Protocol


class Row(Protocol):
    """What was found of one subject."""

    beyond: list[str]
    """What is beyond its bound."""

    @property
    def words(self) -> str:
        """The numbers, as the table tells them."""


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
    def words(self) -> str:
        """Both shares, as the table tells them."""
        elements = max(self.elements, 1)
        return f"{self.off / elements:.4%} of elements off, {self.stated / elements:.4%} stated"


def run(title: str, subjects: Iterable[tuple[str, Draw]], arguments: Sequence[str] | None) -> int:
    """Draw the subjects that the arguments ask for, print a row for each, and return the exit code.

    With ``--lines`` rows are added to a file, and subjects that it has a row of are left out: a run that was ended goes
    on where it was, and ``--minutes`` ends it by itself.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="of which names, those that hold this text")
    parser.add_argument("--lines", type=Path, help="the file of rows to go on with")
    parser.add_argument("--minutes", type=float, default=inf, help="after which no further subject is begun")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    known = options.lines.read_text("utf-8").splitlines() if options.lines and options.lines.exists() else []
    is_beyond, began = any(line.startswith(_INDENT) for line in known), monotonic()
    for name, draw in subjects:
        if options.only not in name or any(line.startswith(f"{name}: ") for line in known):
            continue
        if monotonic() - began >= 60 * options.minutes:
            print("The time is over: the same call goes on with --lines.")
            break
        row = draw(options.draws, options.seed)
        told = "\n".join([f"{name}: {row.words}", *(f"{_INDENT}{text}" for text in row.beyond)])
        print(told, flush=True)
        if options.lines:
            with options.lines.open("a", encoding="utf-8") as file:
                file.write(f"{told}\n")
        is_beyond = is_beyond or bool(row.beyond)
    return int(is_beyond)
