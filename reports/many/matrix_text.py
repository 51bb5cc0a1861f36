"""The answers of a sweep as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnapi_check.reports.formats.markdown import code, escaped
from nnapi_check.reports.many.rows import SweepRow, cell_words, column_words, counts, failure_words, matrix
from nnapi_check.reports.table import Fit, number, table, text
from nnapi_check.reports.terminal import wrapped

_ERRORS_SHOWN = 20
LEGEND = (
    "A cell is the score, of 100 where one NNAPI model holds everything, and the number of parts where there are "
    "several; 'no fit' is what the target does not carry at the level, and 'differs' what gives other numbers when "
    "converted."
)


def matrix_lines(rows: Sequence[SweepRow]) -> Iterator[str]:
    """One line for each model, then how often each verdict was given, and what went wrong."""
    found = matrix(rows)
    columns = (text("model", Fit.FOLD), *(number(column_words(column, found.columns)) for column in found.columns))
    lines = [(name, *map(cell_words, cells)) for name, cells in zip(found.subjects, found.cells, strict=True)]
    yield from table(columns, lines)
    yield ""
    yield from wrapped(LEGEND, "")
    for column in found.columns:
        there = [row for row in rows if (row.target, row.feature_level) == column]
        yield from wrapped(counts(there), f"{column_words(column, found.columns)}: ")
    wrong = dict.fromkeys((row.subject, words) for row in rows if (words := failure_words(row)))
    for subject, error in list(wrong)[:_ERRORS_SHOWN]:
        yield from wrapped(f"{subject}: {error}", "! ")


def matrix_markdown(rows: Sequence[SweepRow]) -> Iterator[str]:
    """The same as Markdown."""
    found = matrix(rows)
    yield f"| model | {' | '.join(escaped(column_words(column, found.columns)) for column in found.columns)} |"
    yield f"| --- |{' ---: |' * len(found.columns)}"
    for name, cells in zip(found.subjects, found.cells, strict=True):
        yield f"| {code(name)} | {' | '.join(map(cell_words, cells))} |"
    yield ""
    yield LEGEND
    yield ""
    for column in found.columns:
        there = [row for row in rows if (row.target, row.feature_level) == column]
        yield f"- {escaped(column_words(column, found.columns))}: {counts(there)}"
    yield ""
    versions = {f"nnapi-check {row.tool_version}, PyTorch {row.torch_version}" for row in rows}
    dates = sorted({row.finished[:10] for row in rows})
    if dates:
        span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        yield f"{escaped('; '.join(sorted(versions)))}; {span}."
