"""Cards' TOML files as tables whose keys are taken one by one, so that what is left over is an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.user_documents import parse_toml, shown

Choice = TypeVar("Choice", bound=Enum)


def read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file; what is wrong with it is said with the file's name and line."""
    text = path.read_text(encoding="utf-8")
    try:
        return parse_toml(text)
    except ValueError as error:
        raise CardError(f"{path}: {error}") from error


def mapping(raw: object, where: str) -> Mapping[str, object]:
    """What must be a table. Raises ``CardError``, as everything here does, and says where."""
    if not isinstance(raw, Mapping):
        raise CardError(f"{where}: a table was wanted, found {shown(raw)}")
    return raw


class CardTable:
    """A TOML table whose keys are taken one by one, so that what is left over is an error."""

    def __init__(self, raw: object, where: str) -> None:
        self.where = where
        self._left = dict(mapping(raw, where))

    def take(self, key: str, default: object = None) -> object:
        """Whatever a key has."""
        return self._left.pop(key, default)

    def text(self, key: str) -> str:
        """A text that must be there, on one line."""
        value = self._left.pop(key, None)
        if not isinstance(value, str) or not value.strip():
            raise CardError(f"{self.where}: `{key}` must be a text, found {shown(value)}")
        return " ".join(value.split())

    def optional_text(self, key: str) -> str | None:
        """A text, or None where there is none."""
        return self.text(key) if key in self._left else None

    def choice(self, key: str, default: Choice) -> Choice:
        """The member of an enumeration that a text names by its value, ``default`` where there is none."""
        kind = type(default)
        found = self.optional_text(key) or default.value
        if found not in {item.value for item in kind}:
            raise CardError(f"{self.where}: `{key}` is one of {[item.value for item in kind]}, found {shown(found)}")
        return kind(found)

    def flag(self, key: str) -> bool:
        """A truth value; false where there is none."""
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise CardError(f"{self.where}: `{key}` must be true or false, found {shown(value)}")
        return value

    def optional_int(self, key: str) -> int | None:
        """A whole number, or None where there is none."""
        value = self._left.pop(key, None)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise CardError(f"{self.where}: `{key}` must be a whole number, found {shown(value)}")
        return value

    def optional_positive(self, key: str) -> float | None:
        """A number above 0, or None where there is none."""
        value = self._left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise CardError(f"{self.where}: `{key}` must be a number above 0, found {shown(value)}")
        return float(value)

    def items(self, key: str) -> list[object]:
        """A list of anything; empty where there is none."""
        value = self._left.pop(key, [])
        if not isinstance(value, list):
            raise CardError(f"{self.where}: `{key}` must be a list, found {shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where there is none."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise CardError(f"{self.where}: `{key}` must be a list of texts, found {shown(values)}")
        return tuple(str(value) for value in values)

    def whole_numbers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers; empty where there is none."""
        values = self.items(key)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise CardError(f"{self.where}: `{key}` must be a list of whole numbers, found {shown(values)}")
        return tuple(value for value in values if isinstance(value, int))

    def tables(self, key: str) -> Iterator[Mapping[str, object]]:
        """A list of tables; empty where there is none."""
        for value in self.items(key):
            yield mapping(value, f"{self.where}, {key}")

    def rest(self) -> dict[str, object]:
        """All keys that are left."""
        left, self._left = self._left, {}
        return left

    def close(self) -> None:
        """Refuse what is left."""
        if self._left:
            raise CardError(f"{self.where}: unknown keys {', '.join(sorted(self._left))}")
