"""The record of imports, ``imports.toml``: what was taken in, of which document, and when."""

from __future__ import annotations

import json

from nnapi_check.coverage_db.header_import.toml_text import append_block
from nnapi_check.coverage_db.spec import ImportRecord

HEADING = "# What was imported, in order. `nnapi-check db import` adds an entry for each import that changes something."


def with_record(text: str, record: ImportRecord) -> str:
    """The text with one more import."""
    lines = [
        "[[imports]]",
        f"document = {json.dumps(record.document)}",
        f"sha256 = {json.dumps(record.sha256)}",
        f"level = {record.level}",
        f"date = {json.dumps(record.date)}",
        f"added = {json.dumps(list(record.added))}",
        f"changed = {json.dumps(list(record.changed))}",
    ]
    return append_block(text or HEADING, "\n".join(lines))
