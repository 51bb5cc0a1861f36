"""Anything that the registry knows as JSON: members of enumerations by name, sets and tuples as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum, IntEnum


def json_text(document: object) -> str:
    """The document as JSON."""
    return json.dumps(_plain(document), indent=2)


def _plain(value: object) -> object:
    match value:
        # NNAPI's own enumerations are known by name, ours by their value.
        case IntEnum():
            return value.name
        case Enum():
            return value.value
        case Mapping():
            return {str(key): _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case set() | frozenset():
            return sorted((_plain(part) for part in value), key=str)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value
