"""What benchmarks that write a page of docs share: the place of its table, when it was measured, raw rows, options."""

from __future__ import annotations

import argparse
import json
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

START, END = "<!-- table -->\n", "<!-- end -->"


def write_page(lines: Sequence[str], page: Path) -> None:
    """Put the table into its place on the page."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{START}" + "\n".join(lines) + f"\n{END}{tail}", encoding="utf-8")


def said_when(days: Iterable[str]) -> str:
    """On which days, as dates are written, and with which versions the rows were measured."""
    dates = sorted(filter(None, days))
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "an unknown day"
    versions = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in ("torch", "torchvision", "numpy"))
    return f"Measured {when} with {versions}:"


def added(row: DataclassInstance, lines: Path) -> str:
    """The row as a line, which is added to a file."""
    line = json.dumps(asdict(row))
    with lines.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    return line


def kept_lines(lines: Path) -> Iterator[dict[str, Any]]:
    """What rows that were added to a file hold, lists as tuples; nothing of a file that is not there."""
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.exists() else ():
        yield {name: tuple(item) if isinstance(item, list) else item for name, item in json.loads(line).items()}


def row_options(description: str | None, page: Path) -> argparse.ArgumentParser:
    """The options of a benchmark that tries models, adds a row for each to a file, and puts a table into a page."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=Path, required=True, help="the file of lines, which is added to")
    parser.add_argument("--only", action="append", default=[], help="a part of the names of models; repeatable")
    parser.add_argument("--again", action="store_true", help="try once more what was not kept")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--write", action="store_true", help=f"write the table into docs/{page.name}")
    return parser


def words_of(error: Exception) -> str:
    """What went wrong, and in which line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return " ".join(f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})".split())
