"""Where answers are kept: a SQLite file, written after each model, so that a sweep that was stopped goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

from sqlite_utils import Database

from nnapi_check.coverage_db.writing.output import Format, OutputError, check_output
from nnapi_check.reports.many.rows import StaysRow, SweepRow
from nnapi_check.sweep.jobs import Answer

_APPLICATION = 0x4E4E4153
"""What SQLite keeps in a file's head to tell whose it is."""
_KEY = ("subject", "target", "feature_level")


class Store:
    """The answers in one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> tuple[SweepRow, ...]:
        """Every row, in the order of the subjects' names."""
        return tuple(SweepRow(**row) for row in self._database["results"].rows_where(order_by=", ".join(_KEY)))

    def stays(self) -> tuple[StaysRow, ...]:
        """Why ops stay on the CPU."""
        return tuple(StaysRow(**row) for row in self._database["stays"].rows_where(order_by=", ".join(_KEY)))

    def add(self, answer: Answer) -> None:
        """Keep the rows of one model in place of those that were there, all or none of them."""
        with self._database.conn:
            for row in answer.rows:
                key = [getattr(row, name) for name in _KEY]
                self._database.conn.execute(
                    "delete from stays where subject = ? and target = ? and feature_level = ?", key
                )
            self._database.table("results").upsert_all((asdict(row) for row in answer.rows), pk=_KEY)
            self._database.table("stays").insert_all(asdict(row) for row in answer.stays)


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The answers in a file, which is made where none is there. Raises ``OutputError`` for a file of others."""
    check_output(path, Format.FILE)
    is_new = not path.exists() or not path.stat().st_size
    connection = sqlite3.connect(path)
    try:
        database = Database(connection)
        try:
            (application,) = next(iter(connection.execute("pragma application_id")))
            if is_new:
                _made(database)
            elif application != _APPLICATION or not _has_columns(database):
                raise OutputError(f"{path} holds no answers of this version's sweep; name another file, or remove it")
        except sqlite3.DatabaseError as error:
            raise OutputError(f"{path} holds no answers of a sweep: {error}") from error
        yield Store(database)
    finally:
        connection.close()


def _made(database: Database) -> None:
    types = {"int": int, "float": float, "int | None": int, "float | None": float}
    for name, row, key in (("results", SweepRow, _KEY), ("stays", StaysRow, (*_KEY, "op", "reason", "requirement"))):
        columns = {field.name: types.get(str(field.type), str) for field in fields(row)}
        database.table(name).create(columns, pk=key)
    database.conn.execute(f"pragma application_id = {_APPLICATION}")


def _has_columns(database: Database) -> bool:
    return all(
        {column.name for column in database[name].columns} == {field.name for field in fields(row)}
        for name, row in (("results", SweepRow), ("stays", StaysRow))
    )


def wanted(asked: Sequence[SweepRow], kept: Sequence[SweepRow]) -> tuple[SweepRow, ...]:
    """What is asked and not answered yet for the same model by the same versions. Errors are tried again."""
    known = {_question(row) for row in kept if not row.error}
    return tuple(row for row in asked if _question(row) not in known)


def _question(row: SweepRow) -> tuple[str, str, int, str, str, str]:
    return row.subject, row.target, row.feature_level, row.identity, row.tool_version, row.torch_version
