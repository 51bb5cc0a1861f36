"""Runs that draw each of many subjects anew, and hold what is found to a bound: their options, and their table."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Sequence
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


def run(title: str, subjects: Iterable[tuple[str, Draw]], arguments: Sequence[str] | None) -> int:
    """Draw the subjects that the arguments ask for, print a row for each, and return the exit code."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="of which names, those that hold this text")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    bad = 0
    for name, draw in subjects:
        if options.only not in name:
            continue
        row = draw(options.draws, options.seed)
        print(f"{name}: {row.words}", flush=True)
        for text in row.beyond:
            print("   ", text)
        bad += bool(row.beyond)
    return int(bad > 0)
