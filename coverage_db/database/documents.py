"""Frozen dataclasses as compact JSON and back, so that a row of the registry holds all that is known of its subject.

A dataclass is written as ``{"ClassName": [field, ...]}`` without the trailing fields that have their default, an
enum's member as ``{"ClassName": "MEMBER"}``, a frozen set as ``{"frozenset": [...]}`` and a tuple as a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import ModuleType
from typing import TypeVar

from nnapi_check.coverage_db import bounds, cards, checks, differences, input_classes, requirements, spec, targets

T = TypeVar("T")

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_FROZENSET = "frozenset"


class DocumentError(Exception):
    """A document cannot be written, or is not what it should be."""


class DocumentFormat:
    """Writes and reads documents of the dataclasses and enums of some modules."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._classes: dict[str, type] = {}
        for module in modules:
            for name, found in vars(module).items():
                if isinstance(found, type) and found.__module__ == module.__name__ and _has_documents(found):
                    if name in self._classes:
                        raise DocumentError(f"two classes are called {name}")
                    self._classes[name] = found

    def write(self, value: object) -> str:
        """The document of ``value``."""
        return json.dumps(self._encoded(value), separators=(",", ":"), ensure_ascii=False)

    def read(self, document: str, kind: type[T]) -> T:
        """The value of a document, which must be a ``kind``."""
        try:
            value = self._decoded(json.loads(document))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DocumentError(f"a document of {kind.__name__} cannot be read: {error}") from error
        if not isinstance(value, kind):
            raise DocumentError(f"a document holds {type(value).__name__}, wanted {kind.__name__}")
        return value

    def _encoded(self, value: object) -> Json:
        # Enums come first: the members of an IntEnum are integers too.
        if isinstance(value, Enum):
            return {self._known(type(value)): value.name}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, tuple):
            return [self._encoded(item) for item in value]
        if isinstance(value, frozenset):
            return {_FROZENSET: sorted((self._encoded(item) for item in value), key=json.dumps)}
        if is_dataclass(value) and not isinstance(value, type):
            kept = list(fields(value))
            while (
                kept and kept[-1].default is not MISSING and _is_same(getattr(value, kept[-1].name), kept[-1].default)
            ):
                kept.pop()
            return {self._known(type(value)): [self._encoded(getattr(value, field.name)) for field in kept]}
        raise DocumentError(f"{type(value).__name__} has no form in a document")

    def _known(self, kind: type) -> str:
        if self._classes.get(kind.__name__) is not kind:
            raise DocumentError(f"{kind.__name__} is not among the classes of documents")
        return kind.__name__

    def _decoded(self, value: Json) -> object:
        if isinstance(value, list):
            return tuple([self._decoded(item) for item in value])
        if not isinstance(value, dict):
            return value
        ((name, content),) = value.items()
        if name == _FROZENSET and isinstance(content, list):
            return frozenset([self._decoded(item) for item in content])
        kind = self._classes[name]
        if isinstance(content, list):
            return kind(*[self._decoded(item) for item in content])
        return getattr(kind, str(content))


def _has_documents(found: type) -> bool:
    return is_dataclass(found) or (issubclass(found, Enum) and found is not Enum)


def _is_same(value: object, default: object) -> bool:
    """Equal and of one type: 0, 0.0 and False are equal, but written differently."""
    return type(value) is type(default) and value == default


def registry_documents() -> DocumentFormat:
    """The form in which the registry's rows hold what is known."""
    return DocumentFormat((spec, targets, checks, bounds, cards, differences, requirements, input_classes))
