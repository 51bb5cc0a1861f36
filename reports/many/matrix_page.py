"""The answers of a sweep as one HTML page that holds all it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnapi_check.reports.many.rows import (
    FAILED,
    StaysRow,
    SweepRow,
    cell_words,
    column_words,
    counts,
    difference_words,
    failure_words,
    matrix,
)

_TEMPLATES = Path(__file__).parent.parent / "templates"


def matrix_html(rows: Sequence[SweepRow], stays: Sequence[StaysRow]) -> str:
    """The page as text. Every name is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = matrix(rows)
    causes: dict[str, dict[tuple[str, str], StaysRow]] = {}
    for stay in sorted(stays, key=lambda stay: -stay.places):
        causes.setdefault(stay.subject, {}).setdefault((stay.op, stay.reason), stay)
    return environment.get_template("matrix.html.j2").render(
        headings=[column_words(column, found.columns) for column in found.columns],
        lines=[
            (subject, cells, list(dict.fromkeys(filter(None, (failure_words(cell) for cell in cells if cell)))))
            for subject, cells in zip(found.subjects, found.cells, strict=True)
        ],
        words=cell_words,
        title=_title,
        kind=_kind,
        causes={subject: list(members.values())[:8] for subject, members in causes.items()},
        totals=[counts([row for row in rows if (row.target, row.feature_level) == column]) for column in found.columns],
        versions=sorted({f"nnapi-check {row.tool_version}, PyTorch {row.torch_version}" for row in rows}),
        dates=sorted({row.finished[:10] for row in rows}),
    )


def _title(row: SweepRow) -> str:
    """What a cell tells when it is pointed at."""
    told = f"{row.readiness}, {row.ops_on_nnapi} of {row.ops} ops, {row.compute_share:.1%} of the work"
    if row.artifact_bytes is None:
        return told
    return f"{told}; a file of {row.artifact_bytes / 1e6:.1f} MB, {difference_words(row)}"


def _kind(row: SweepRow) -> str:
    """The class of a cell, by which it is colored."""
    return "no-answer" if row.verification == FAILED else row.readiness.replace(" ", "-")
