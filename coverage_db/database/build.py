"""The registry's database, built from all of its text.

A database is built in memory and then written whole, so that nobody ever sees half of one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlite_utils

from nnapi_check.coverage_db.database.card_tables import CARD_TABLES
from nnapi_check.coverage_db.database.documents import DocumentFormat, registry_documents
from nnapi_check.coverage_db.database.operation_tables import OPERATION_TABLES
from nnapi_check.coverage_db.database.platform_tables import PLATFORM_TABLES
from nnapi_check.coverage_db.database.registry_key import RegistryKey, key_of
from nnapi_check.coverage_db.database.signature_tables import SIGNATURE_TABLES
from nnapi_check.coverage_db.database.tables import TablePlan
from nnapi_check.coverage_db.database.views import VIEWS
from nnapi_check.coverage_db.errors import BuildError
from nnapi_check.coverage_db.knowledge import TEXT_DIRECTORY, Knowledge, load_knowledge
from nnapi_check.coverage_db.writing.output import Format, check_output, write_whole

TABLES: tuple[TablePlan, ...] = (*PLATFORM_TABLES, *OPERATION_TABLES, *SIGNATURE_TABLES, *CARD_TABLES)


def build_database(path: Path, directory: Path = TEXT_DIRECTORY) -> None:
    """Build the database of the text below ``directory`` and put it at ``path``, in place of what was there.

    Raises ``TextError`` or ``CardError`` where text is malformed, ``BuildError`` where it names something that does
    not exist, and ``OutputError`` where ``path`` cannot be written.
    """
    text = tuple(directory.rglob("*.toml"))
    check_output(path, Format.FILE, text)
    write_whole(path, database_bytes(load_knowledge(directory), key_of(directory)), text)


def database_bytes(known: Knowledge, key: RegistryKey) -> bytes:
    """The bytes of a SQLite database that holds ``known`` and says that it was built for ``key``."""
    documents = registry_documents()
    with closing(sqlite3.connect(":memory:")) as connection:
        database = sqlite_utils.Database(connection)
        # Rows refer to rows that come later, within a table and between tables; all are checked at the end.
        connection.execute("PRAGMA foreign_keys = OFF")
        _describe(database, key)
        for plan in TABLES:
            _fill(database, plan, known, documents)
        _check_references(database)
        for view in VIEWS:
            database.create_view(view.name, view.query)
        connection.commit()
        return connection.serialize()


def _describe(database: sqlite_utils.Database, key: RegistryKey) -> None:
    meta = database.table("meta")
    meta.create({"key": str, "value": str}, pk="key", not_null={"value"})
    meta.insert_all([{"key": "facts", "value": key.facts}, {"key": "layout", "value": key.layout}])
    tables = database.table("tables")
    tables.create({"name": str, "title": str, "rows": int}, pk="name", not_null={"title", "rows"})


def _fill(database: sqlite_utils.Database, plan: TablePlan, known: Knowledge, documents: DocumentFormat) -> None:
    table = database.table(plan.name)
    table.create(
        {column.name: column.type for column in plan.columns},
        pk=plan.primary_key[0] if len(plan.primary_key) == 1 else plan.primary_key,
        foreign_keys=list(_references(plan)),
        not_null={column.name for column in plan.columns if column.required},
        strict=True,
    )
    places = ", ".join("?" * len(plan.columns))
    insert = f'INSERT INTO "{plan.name}" VALUES ({places})'  # noqa: S608 - a table of ours
    try:
        database.conn.executemany(insert, plan.cells(known, documents))
    except sqlite3.IntegrityError as error:
        raise BuildError(f"table {plan.name}: {error}") from error
    database.table("tables").insert({"name": plan.name, "title": plan.title, "rows": table.count})
    for column, _, _ in _references(plan):
        table.create_index([column])


def _references(plan: TablePlan) -> Iterator[tuple[str, str, str]]:
    """Each foreign key as column, table and column of that table."""
    for column in plan.columns:
        if column.refers_to:
            table, _, other = column.refers_to.partition(".")
            yield column.name, table, other


def _check_references(database: sqlite_utils.Database) -> None:
    """Raise for the rows that name something that does not exist, all of them in one message."""
    faults = []
    for table, row, parent, reference in database.execute("PRAGMA foreign_key_check").fetchall():
        columns = {line[0]: line[3] for line in database.execute(f'PRAGMA foreign_key_list("{table}")').fetchall()}
        column = columns[reference]
        (cells,) = database.table(table).rows_where("rowid = ?", [row])
        subject = next(iter(cells.values()))
        faults.append(f"{table}: {subject}: {column} {cells[column]!r} is not among the {parent}")
    if faults:
        raise BuildError("; ".join(sorted(faults)))
