"""What the registry holds, in numbers, and what it lacks, by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from nnapi_check.coverage_db.spec import ImportRecord


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A table, what a row of it is, and how many rows it has."""

    name: str
    title: str
    rows: int


@dataclass(frozen=True, slots=True)
class ExampleCount:
    """How many examples an op's card has: those that pass, and those that break a requirement."""

    op: str
    passing: int
    breaking: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a fact was read, for those of which it is recorded: facts without one are the specification's."""

    operation: str
    fact: str
    source: str


@dataclass(frozen=True, slots=True)
class RegistryStatus:
    """The registry in numbers. ``facts_key`` stands for the text that it was built from.

    ``unmapped_operations`` are emitted by no way of any card. ``gaps`` and ``unwritten_ops`` are ops without a
    way: because no operations can compute them, or because no rule is written yet. ``ways_without_example``
    have no example that passes, and ``untested_requirements`` none that breaks them; both are written as in
    the tables, "op/way" and "op/way: requirement". ``last_import`` is None where nothing was ever imported.
    """

    facts_key: str
    tables: tuple[TableStatus, ...]
    unmapped_operations: tuple[str, ...]
    gaps: tuple[str, ...]
    unwritten_ops: tuple[str, ...]
    ways_without_example: tuple[str, ...]
    untested_requirements: tuple[str, ...]
    last_import: ImportRecord | None = None
    examples: tuple[ExampleCount, ...] = ()
    provenance: tuple[Provenance, ...] = ()

    def rows(self, table: str) -> int:
        """How many rows ``table`` has; 0 for a table that does not exist."""
        return next((found.rows for found in self.tables if found.name == table), 0)


_UNMAPPED = """
    SELECT name FROM operations WHERE name NOT IN (SELECT operation FROM emissions) ORDER BY code
"""
_GAPS = "SELECT op FROM ops WHERE gap IS NOT NULL ORDER BY op"
_UNWRITTEN = "SELECT DISTINCT op FROM unwritten ORDER BY op"
_WITHOUT_EXAMPLE = """
    SELECT id FROM ways WHERE id NOT IN (SELECT way FROM examples WHERE expect IS NULL) ORDER BY id
"""
_UNTESTED = """
    SELECT requirements.way || ': ' || requirements.id FROM requirements
    LEFT JOIN examples ON examples.way = requirements.way AND examples.expect = requirements.id
    WHERE examples.name IS NULL ORDER BY 1
"""


_LAST_IMPORT = 'SELECT document, level, sha256, "date", added, changed FROM imports ORDER BY position DESC LIMIT 1'
_EXAMPLES = """
    SELECT ways.op, SUM(examples.expect IS NULL), SUM(examples.expect IS NOT NULL) FROM ways
    JOIN examples ON examples.way = ways.id GROUP BY ways.op
    UNION ALL SELECT ways.op, 0, 0 FROM ways WHERE ways.op NOT IN
    (SELECT ways.op FROM ways JOIN examples ON examples.way = ways.id) GROUP BY ways.op ORDER BY 1
"""
_PROVENANCE = """
    SELECT name, 'level', since_from FROM operations WHERE since_from <> ''
    UNION ALL SELECT name, 'element types', types_from FROM operations WHERE types_from <> '' ORDER BY 1, 2
"""


def read_status(connection: sqlite3.Connection) -> RegistryStatus:
    """The status of an open database of the registry."""
    tables = connection.execute("SELECT name, title, rows FROM tables ORDER BY rowid").fetchall()
    ((facts_key,),) = connection.execute("SELECT value FROM meta WHERE key = 'facts'").fetchall()
    return RegistryStatus(
        facts_key=facts_key,
        tables=tuple(TableStatus(*row) for row in tables),
        unmapped_operations=_names(connection, _UNMAPPED),
        gaps=_names(connection, _GAPS),
        unwritten_ops=_names(connection, _UNWRITTEN),
        ways_without_example=_names(connection, _WITHOUT_EXAMPLE),
        untested_requirements=_names(connection, _UNTESTED),
        last_import=_last_import(connection),
        examples=tuple(ExampleCount(*row) for row in connection.execute(_EXAMPLES)),
        provenance=(*_imported(connection), *(Provenance(*row) for row in connection.execute(_PROVENANCE))),
    )


def _last_import(connection: sqlite3.Connection) -> ImportRecord | None:
    for document, level, sha256, date, added, changed in connection.execute(_LAST_IMPORT):
        return ImportRecord(document, level, sha256, date, _split(added), _split(changed))
    return None


def _imported(connection: sqlite3.Connection) -> Iterator[Provenance]:
    """What each recorded import added or changed, by operation. Functions stand in headers that list nothing else."""
    functions = _names(connection, "SELECT name FROM functions")
    for document, added, changed in connection.execute(
        "SELECT document, added, changed FROM imports ORDER BY position"
    ):
        for fact, subjects in (("all", added), ("what was imported", changed)):
            yield from (Provenance(subject, fact, document) for subject in _split(subjects) if subject not in functions)


def _split(subjects: str) -> tuple[str, ...]:
    return tuple(subjects.split(", ")) if subjects else ()


def _names(connection: sqlite3.Connection, query: str) -> tuple[str, ...]:
    return tuple(name for (name,) in connection.execute(query))
