"""The command that imports NNAPI's own documents. It does not import PyTorch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from nnapi_check.coverage_db.header_import.importer import ImportReport, import_document
from nnapi_check.coverage_db.knowledge import TEXT_DIRECTORY
from nnapi_check.reports.import_text import import_text
from nnapi_check.reports.json_format import json_text


def run(path: Path, directory: Path | None, *, write: bool, form: str) -> None:
    """Import a document and print what was found."""
    report = import_document(path, directory or TEXT_DIRECTORY / "nnapi", write=write)
    click.echo(_document(report) if form == "json" else import_text(report))


def _document(report: ImportReport) -> str:
    changes = [{**asdict(change), "is_taken": change.is_taken} for change in report.changes]
    return json_text({"schema_version": 1, **asdict(report), "changes": changes})
