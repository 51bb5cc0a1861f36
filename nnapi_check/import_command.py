"""The command that imports NNAPI's own documents. It does not import PyTorch."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from coverage_db.checks import CardError
from coverage_db.header_import.importer import ImportReport, import_document
from coverage_db.header_import.source_lines import HeaderError
from coverage_db.header_import.staging import StagingError
from coverage_db.header_import.toml_text import EditError
from coverage_db.knowledge import TEXT_DIRECTORY
from coverage_db.levels import LevelError
from coverage_db.text import TextError
from nnapi_check.json_text import json_text
from reports.import_text import import_text


def run(path: Path, directory: Path | None, *, write: bool, form: str) -> None:
    """Import a document and print what was found; what is wrong becomes one sentence and exit code 2."""
    try:
        report = import_document(path, directory or TEXT_DIRECTORY / "nnapi", write=write)
    except (HeaderError, TextError, CardError, EditError, StagingError, LevelError, OSError) as error:
        click.echo(f"nnapi-check: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    click.echo(_document(report) if form == "json" else import_text(report))


def _document(report: ImportReport) -> str:
    changes = [{**asdict(change), "is_taken": change.is_taken} for change in report.changes]
    return json_text({"schema_version": 1, **asdict(report), "changes": changes})
