"""What a table of the registry's database is: its columns, its keys, and the rows that the knowledge gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nnapi_check.coverage_db.database.documents import DocumentFormat
from nnapi_check.coverage_db.knowledge import Knowledge

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]

TEXT = str
INTEGER = int
REAL = float


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``refers_to`` is "table.column" for a foreign key; ``required`` forbids NULL."""

    name: str
    type: type[str] | type[int] | type[float]
    required: bool = True
    refers_to: str = ""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table with its primary key, and the function that gives its rows.

    A plan that refers to another table stands after it. ``title`` says in words what a row is.
    """

    name: str
    title: str
    primary_key: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: Callable[[Knowledge, DocumentFormat], Iterable[Row]]


def text(name: str, *, required: bool = True, refers_to: str = "") -> Column:
    """A column of text."""
    return Column(name, TEXT, required, refers_to)


def integer(name: str, *, required: bool = True, refers_to: str = "") -> Column:
    """A column of integers; booleans are 0 and 1."""
    return Column(name, INTEGER, required, refers_to)


def real(name: str, *, required: bool = True) -> Column:
    """A column of floating point numbers."""
    return Column(name, REAL, required)


def level(name: str, *, required: bool = True) -> Column:
    """A column of feature levels."""
    return Column(name, INTEGER, required, "levels.feature_level")


def operand_type(name: str, *, required: bool = True) -> Column:
    """A column of operand types, by name."""
    return Column(name, TEXT, required, "types.name")
