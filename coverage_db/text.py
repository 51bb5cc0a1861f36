"""Typed reading of the registry's TOML files: what a key must hold, and an error that says where it does not."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import Path
from typing import TypeVar

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.user_documents import shown

E = TypeVar("E", bound=Enum)

Number = int | float | bool


class TextError(UserError):
    """The registry's text is malformed. Names the file, the entry in it, and the key."""

    def __init__(self, path: Path, entry: str, key: str, problem: str) -> None:
        where = ", ".join(part for part in (entry, key and f"key {key!r}") if part)
        super().__init__(f"{path}: {where + ': ' if where else ''}{problem}")
        self.path = path
        self.entry = entry
        self.key = key
        self.problem = problem


def member(kind: type[E], name: str) -> E | None:
    """The member of ``kind`` that text calls ``name``: by name where members are numbers, else by value."""
    for candidate in kind:
        if name == (candidate.name if issubclass(kind, IntEnum) else candidate.value):
            return candidate
    return None


@dataclass(slots=True)
class Table:
    """One TOML table. Each reader takes a key; ``finish`` then refuses the keys that nobody took."""

    path: Path
    entry: str
    values: Mapping[str, object]
    taken: set[str] = field(default_factory=set)

    def fail(self, key: str, problem: str) -> TextError:
        """The error to raise for ``key``."""
        return TextError(self.path, self.entry, key, problem)

    def has(self, key: str) -> bool:
        """Whether the table holds ``key``."""
        return key in self.values

    def take(self, key: str) -> object:
        """The raw value of ``key``, which must be there."""
        self.taken.add(key)
        if key not in self.values:
            raise self.fail(key, "is missing")
        return self.values[key]

    def integer(self, key: str) -> int:
        """The integer at ``key``."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"wants an integer, found {shown(value)}")
        return value

    def optional_integer(self, key: str) -> int | None:
        """The integer at ``key``, or None without the key."""
        return self.integer(key) if self.has(key) else None

    def number(self, key: str) -> Number:
        """The integer, float or boolean at ``key``, as written."""
        value = self.take(key)
        if not isinstance(value, int | float):
            raise self.fail(key, f"wants a number or a boolean, found {shown(value)}")
        return value

    def real(self, key: str) -> float:
        """The float at ``key``; an integer is refused, so that text shows the type."""
        value = self.take(key)
        if not isinstance(value, float):
            raise self.fail(key, f"wants a number with a decimal point, found {shown(value)}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """The string at ``key``, or ``default`` where one is given."""
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if not isinstance(value, str):
            raise self.fail(key, f"wants a string, found {shown(value)}")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """The boolean at ``key``, or ``default``."""
        if not self.has(key):
            return default
        value = self.take(key)
        if not isinstance(value, bool):
            raise self.fail(key, f"wants true or false, found {shown(value)}")
        return value

    def items(self, key: str) -> tuple[object, ...]:
        """The array at ``key``; empty without the key."""
        if not self.has(key):
            return ()
        value = self.take(key)
        if not isinstance(value, list):
            raise self.fail(key, f"wants an array, found {shown(value)}")
        return tuple(value)

    def integers(self, key: str) -> tuple[int, ...]:
        """The array of integers at ``key``; empty without the key."""
        numbers = []
        for value in self.items(key):
            if isinstance(value, bool) or not isinstance(value, int):
                raise self.fail(key, f"wants integers, found {shown(value)}")
            numbers.append(value)
        return tuple(numbers)

    def numbers(self, key: str) -> tuple[Number, ...]:
        """The array of numbers and booleans at ``key``; empty without the key."""
        numbers = []
        for value in self.items(key):
            if not isinstance(value, int | float):
                raise self.fail(key, f"wants numbers or booleans, found {shown(value)}")
            numbers.append(value)
        return tuple(numbers)

    def texts(self, key: str) -> tuple[str, ...]:
        """The array of strings at ``key``; empty without the key."""
        texts = []
        for value in self.items(key):
            if not isinstance(value, str):
                raise self.fail(key, f"wants strings, found {shown(value)}")
            texts.append(value)
        return tuple(texts)

    def table(self, key: str) -> Table:
        """The table at ``key``; empty without the key."""
        value = self.take(key) if self.has(key) else {}
        if not isinstance(value, dict):
            raise self.fail(key, f"wants a table, found {shown(value)}")
        return Table(self.path, f"{self.entry}.{key}" if self.entry else key, value)

    def tables(self, key: str) -> tuple[Table, ...]:
        """The array of tables at ``key``; empty without the key."""
        tables = []
        for position, value in enumerate(self.items(key)):
            if not isinstance(value, dict):
                raise self.fail(key, f"wants tables, found {shown(value)}")
            tables.append(
                Table(self.path, f"{self.entry}.{key}[{position}]" if self.entry else f"{key}[{position}]", value)
            )
        return tuple(tables)

    def choice(self, key: str, kind: type[E]) -> E:
        """The member of ``kind`` that the string at ``key`` names."""
        return self.as_member(key, kind, self.text(key))

    def choices(self, key: str, kind: type[E]) -> tuple[E, ...]:
        """The members of ``kind`` that the array at ``key`` names; empty without the key."""
        return tuple(self.as_member(key, kind, name) for name in self.texts(key))

    def as_member(self, key: str, kind: type[E], name: str) -> E:
        """The member of ``kind`` called ``name``, or an error at ``key``."""
        found = member(kind, name)
        if found is None:
            raise self.fail(key, f"{name!r} is no {kind.__name__}")
        return found

    def numbered(self) -> tuple[tuple[int, str], ...]:
        """Each key of this table as an integer, with the key as written; keys must be integers."""
        pairs = []
        for key in self.values:
            if not key.isascii() or not key.isdigit():
                raise self.fail(key, "wants an integer as key")
            pairs.append((int(key), key))
        return tuple(sorted(pairs))

    def finish(self) -> None:
        """Raise for the first key that no reader took: it is misspelled, or says something unread."""
        for key in self.values:
            if key not in self.taken:
                raise self.fail(key, "is not a known key")


def read_tables(path: Path) -> Table:
    """The whole TOML file at ``path`` as one table."""
    try:
        return Table(path, "", tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TextError(path, "", "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TextError(path, "", "", f"is not UTF-8: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise TextError(path, "", "", f"is not TOML: {error}") from error
