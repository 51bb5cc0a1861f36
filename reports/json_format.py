"""The report for machines: JSON whose schema stands in the repository (``reports/schema/report-1.json``)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

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
