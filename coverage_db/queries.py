"""The registry as the rest of the project reads it: facts, cards, differences and reasons, from SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from nnapi_check.coverage_db.cards import Card, FirstOutput, Movement, OtherCall
from nnapi_check.coverage_db.database.cache import (
    cache_directory,
    cached_path,
    connect,
    key_in,
    mark_used,
    read_cached,
    remove_stale,
)
from nnapi_check.coverage_db.database.documents import registry_documents
from nnapi_check.coverage_db.database.registry_key import RegistryKey, key_of, layout_key
from nnapi_check.coverage_db.differences import Difference, Reason
from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.spec import FunctionFacts, Level, OperationFacts, TypeFacts
from nnapi_check.coverage_db.status import RegistryStatus, read_status
from nnapi_check.coverage_db.targets import Target
from nnapi_check.coverage_db.writing.output import OutputError, write_whole

T = TypeVar("T")

_DOCUMENTS: dict[type, str] = {
    OperationFacts: "SELECT name, document FROM operations ORDER BY code",
    Level: "SELECT feature_level, document FROM levels ORDER BY feature_level",
    TypeFacts: "SELECT name, document FROM types ORDER BY code",
    Target: "SELECT name, document FROM targets ORDER BY rowid",
    Card: "SELECT op, document FROM ops ORDER BY rowid",
    Difference: "SELECT id, document FROM differences ORDER BY rowid",
    Reason: "SELECT code, document FROM reasons ORDER BY rowid",
}
_WORDS: dict[type, str] = {
    OperationFacts: "operation",
    Level: "feature level",
    TypeFacts: "operand type",
    Target: "target",
    Card: "op",
    Difference: "difference",
    Reason: "reason",
}

TEXT_DIRECTORY = Path(__file__).parent


class RegistryError(UserError):
    """A database is not one of this registry, or was built by another version of it."""


class UnknownNameError(RegistryError):
    """The registry holds nothing by that name. ``close`` are the names that look like it, best first."""

    def __init__(self, kind: str, name: str, close: tuple[str, ...]) -> None:
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        super().__init__(f"there is no {kind} called {name!r}{hint}")
        self.kind = kind
        self.name = name
        self.close = close


class Registry:
    """Reads what is known. Each document is read once, when it is first asked for, and no file stays open.

    ``data`` are the database's bytes, ``path`` the file that they came from: None where none could be written.
    """

    def __init__(self, data: bytes, path: Path | None) -> None:
        self._data = data
        self._path = path
        self._format = registry_documents()
        self._documents: dict[type, dict[str, str]] = {}
        self._found: dict[tuple[type, str], object] = {}

    @property
    def path(self) -> Path | None:
        """The database's file, or None where it is in memory only."""
        return self._path

    def connect(self) -> sqlite3.Connection:
        """A copy of the database to ask in SQL. The caller closes the connection."""
        return connect(self._data)

    def operation(self, name: str) -> OperationFacts:
        """The facts of the operation called ``name``. Raises ``UnknownNameError``."""
        return self._one(OperationFacts, name)

    def operations(self) -> tuple[OperationFacts, ...]:
        """The facts of every operation, in order of their codes."""
        return self._all(OperationFacts)

    def operation_by_code(self, code: int) -> OperationFacts:
        """The facts of the operation with NNAPI's number ``code``. Raises ``UnknownNameError``."""
        for facts in self.operations():
            if facts.code == code:
                return facts
        raise UnknownNameError("operation", str(code), ())

    def levels(self) -> tuple[Level, ...]:
        """The feature levels, from lowest to highest."""
        return self._all(Level)

    def types(self) -> tuple[TypeFacts, ...]:
        """The operand types, in order of their codes."""
        return self._all(TypeFacts)

    def functions(self) -> tuple[FunctionFacts, ...]:
        """The functions of NNAPI's C interface, in the order of its header."""
        with closing(self.connect()) as connection:
            rows = connection.execute("SELECT name, since FROM functions ORDER BY rowid").fetchall()
        return tuple(FunctionFacts(str(name), int(since)) for name, since in rows)

    def targets(self) -> tuple[Target, ...]:
        """Every target."""
        return self._all(Target)

    def target(self, name: str) -> Target:
        """The target called ``name``. Raises ``UnknownNameError``."""
        return self._one(Target, name)

    def card(self, op: str) -> Card:
        """The card of ``op``. Raises ``UnknownNameError``."""
        return self._one(Card, op)

    def has_card(self, op: str) -> bool:
        """Whether anything is known of ``op``."""
        return op in self._documents_of(Card)

    def cards(self) -> tuple[Card, ...]:
        """Every card, in the order of the families' files."""
        return self._all(Card)

    def movements(self) -> Mapping[str, Movement]:
        """The ops that only move the elements of one tensor, and how."""
        with closing(self.connect()) as connection:
            rows = connection.execute("SELECT op, moves FROM ops WHERE moves != ?", (Movement.NONE.value,)).fetchall()
        return {str(op): Movement(moves) for op, moves in rows}

    def calls(self) -> Mapping[str, OtherCall]:
        """The ops of which each call is one of another op, and which."""
        return {card.op: card.call for card in self._respelled() if card.call is not None}

    def first_outputs(self) -> Mapping[str, FirstOutput]:
        """The ops that are read as another one where nothing reads more than their first output, and as which call."""
        return {card.op: card.first_output for card in self._respelled() if card.first_output is not None}

    def _respelled(self) -> list[Card]:
        with closing(self.connect()) as connection:
            rows = connection.execute(
                "SELECT op FROM ops WHERE call IS NOT NULL OR first_output IS NOT NULL"
            ).fetchall()
        return [self.card(str(op)) for (op,) in rows]

    def difference(self, id: str) -> Difference:  # noqa: A002 - the glossary's own word for it
        """The difference with that id. Raises ``UnknownNameError``."""
        return self._one(Difference, id)

    def differences(self) -> tuple[Difference, ...]:
        """Every difference, in the order of the text."""
        return self._all(Difference)

    def reason(self, code: str) -> Reason:
        """The reason with that code. Raises ``UnknownNameError``."""
        return self._one(Reason, code)

    def reasons(self) -> tuple[Reason, ...]:
        """Every reason, in the order of the text."""
        return self._all(Reason)

    def status(self) -> RegistryStatus:
        """What the registry holds, in numbers, and what it lacks, by name."""
        with closing(self.connect()) as connection:
            return read_status(connection)

    def _documents_of(self, kind: type) -> dict[str, str]:
        """The documents of a kind by their key, read in one go."""
        if kind not in self._documents:
            with closing(self.connect()) as connection:
                rows = connection.execute(_DOCUMENTS[kind]).fetchall()
            self._documents[kind] = {str(name): document for name, document in rows}
        return self._documents[kind]

    def _one(self, kind: type[T], name: str) -> T:
        found = self._found.get((kind, name))
        if isinstance(found, kind):
            return found
        documents = self._documents_of(kind)
        if name not in documents:
            raise UnknownNameError(_WORDS[kind], name, _close_names(name, tuple(documents)))
        read = self._format.read(documents[name], kind)
        self._found[kind, name] = read
        return read

    def _all(self, kind: type[T]) -> tuple[T, ...]:
        return tuple(self._one(kind, name) for name in self._documents_of(kind))


def open_registry(path: Path | None = None, *, directory: Path = TEXT_DIRECTORY) -> Registry:
    """Open the registry: the database at ``path``, or else that of the text below ``directory``.

    The latter is built when it is first asked for and kept in the user's cache directory. Where that cannot be
    written, it is built in memory. Raises ``RegistryError`` where ``path`` is not a database of this version, and
    ``TextError``, ``CardError`` or ``BuildError`` where the text is faulty.
    """
    if path is not None:
        return Registry(_checked(path), path)
    key = key_of(directory)
    try:
        cached = cached_path(cache_directory(), key)
    except RuntimeError:  # There is no home directory.
        return Registry(_built(directory, key), None)
    data = read_cached(cached, key)
    if data is not None:
        mark_used(cached)
        return Registry(data, cached)
    return _fill_cache(cached, _built(directory, key))


def _fill_cache(cached: Path, data: bytes) -> Registry:
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_whole(cached, data)
    except (OSError, OutputError):
        return Registry(data, None)
    remove_stale(cached.parent, keep=cached)
    return Registry(data, cached)


def _built(directory: Path, key: RegistryKey) -> bytes:
    # Only a build needs sqlite-utils, whose import takes longer than all of a query.
    from nnapi_check.coverage_db.database.build import database_bytes
    from nnapi_check.coverage_db.knowledge import load_knowledge

    return database_bytes(load_knowledge(directory), key)


def _checked(path: Path) -> bytes:
    """The database at ``path``, if it is one that this version can read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error.strerror}") from error
    key = key_in(data)
    if key is None:
        raise RegistryError(f"{path} is not a database of the registry, or it is damaged")
    if key.layout != layout_key():
        raise RegistryError(f"{path} was built by another version; build it again")
    return data


def _close_names(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    # Only a failure needs it.
    from difflib import get_close_matches

    by_lower = {known.lower(): known for known in names}
    return tuple(by_lower[found] for found in get_close_matches(name.lower(), by_lower, n=3))
