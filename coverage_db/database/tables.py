"""What a table of the registry's database is: its columns, its keys, and the rows that the knowledge gives it.

What a dataclass of the registry holds is said there and not again: its fields are columns, by their names and types.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from enum import Enum, IntEnum
from typing import Union, get_args, get_origin, get_type_hints

from nnapi_check.coverage_db.database.documents import DocumentFormat
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.spec import OperandType

Cell = str | int | float | None
Row = tuple[object, ...]
"""What fills a table's own columns, in their order, and then the dataclass that fills the others, if it has one."""

TEXT = str
INTEGER = int
REAL = float

LEVEL = "levels.feature_level"
TYPE = "types.name"

_LEVELS = frozenset({"since", "until", "level", "feature_level", "nchw_since"})
"""The fields that are feature levels: the text of the registry calls no others so."""


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

    A plan that refers to another table stands after it. ``title`` says in words what a row is. The last
    ``columns`` are ``from_subject``, the dataclass that ends a row, and where it ``has_document`` all of it as JSON.
    """

    name: str
    title: str
    primary_key: tuple[str, ...]
    columns: tuple[Column, ...]
    subject: type | None
    from_subject: int
    has_document: bool
    rows: Callable[[Knowledge], Iterable[Row]]

    def cells(self, known: Knowledge, documents: DocumentFormat) -> Iterator[tuple[Cell, ...]]:
        """The rows as they are stored."""
        own = len(self.columns) - self.from_subject - self.has_document
        names = [column.name for column in self.columns[own : own + self.from_subject]]
        for row in self.rows(known):
            subject = row[-1]
            document = (documents.write(subject),) if self.has_document else ()
            yield *map(_cell, row[:own]), *(_cell(getattr(subject, name)) for name in names), *document


def table(
    *own: Column,
    key: tuple[str, ...],
    fields_of: type | None = None,
    without: tuple[str, ...] = (),
    has_document: bool = False,
) -> Callable[[Callable[[Knowledge], Iterable[Row]]], TablePlan]:
    """Plan a table with the name of the function that gives its rows, and the function's docstring as title.

    After its ``own`` columns stand the fields of a dataclass: each that fits a cell, is no column of the table's own
    by its name, and not among those ``without`` which the table is.
    """
    left_out = {*without, *(column.name for column in own)}
    found = () if fields_of is None else [column for column in _columns(fields_of) if column.name not in left_out]
    columns = (*own, *found, *([text("document")] * has_document))

    def plan(rows: Callable[[Knowledge], Iterable[Row]]) -> TablePlan:
        title = rows.__doc__ or ""
        return TablePlan(rows.__name__, title, key, columns, fields_of, len(found), has_document, rows)

    return plan


def text(name: str, *, required: bool = True, refers_to: str = "") -> Column:
    """A column of text."""
    return Column(name, TEXT, required, refers_to)


def integer(name: str, *, required: bool = True, refers_to: str = "") -> Column:
    """A column of integers; booleans are 0 and 1."""
    return Column(name, INTEGER, required, refers_to)


def _columns(kind: type) -> Iterator[Column]:
    """The fields of a dataclass that fit a cell."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        wanted = [option for option in options if option is not type(None)]
        if len(wanted) == 1 and (stored := _stored(wanted[0])) is not None:
            refers_to = TYPE if wanted[0] is OperandType else LEVEL if field.name in _LEVELS else ""
            yield Column(field.name, stored, len(options) == 1, refers_to)


def _stored(kind: object) -> type[str] | type[int] | type[float] | None:
    """What SQLite stores for a type, or None for what fits no cell."""
    if kind == tuple[str, ...]:
        return TEXT
    if not isinstance(kind, type):
        return None
    if issubclass(kind, Enum | str):
        return TEXT
    if issubclass(kind, int):
        return INTEGER
    return REAL if issubclass(kind, float) else None


def _cell(value: object) -> Cell:
    """A value as it is stored: a member of an enumeration by NNAPI's name or our word, texts in a row by commas."""
    if isinstance(value, Enum):
        return value.name if isinstance(value, IntEnum) else str(value.value)
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, str | int | float | None):
        return value
    raise TypeError(f"{value!r} fits no cell of a table")
