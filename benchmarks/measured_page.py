"""What benchmarks that write a page of docs share: the place of its table, when it was measured, and its raw rows."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

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


def words_of(error: Exception) -> str:
    """What went wrong, and in which line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return " ".join(f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})".split())
