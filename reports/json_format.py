"""Reports as JSON by the versioned schema, and anything that the registry knows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnapi_check.reports.views import ModelReport, VerificationView

SCHEMA_VERSION = 1


def to_json(report: ModelReport) -> str:
    """The whole report as JSON. Numbers that JSON cannot write (infinite ones) become null."""
    return _text({"schema_version": SCHEMA_VERSION, **asdict(report)})


def verification_json(found: VerificationView) -> str:
    """The numbers of a verification alone, as they stand in a report's ``verification``."""
    return _text({"schema_version": SCHEMA_VERSION, "verification": asdict(found)})


def _text(document: object) -> str:
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(item: object) -> object:
    match item:
        case float():
            return item if math.isfinite(item) else None
        case dict():
            return {key: _finite(value) for key, value in item.items()}
        case list() | tuple():
            return [_finite(value) for value in item]
        case _:
            return item


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
