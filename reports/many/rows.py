"""The answers of a sweep as plain data, and the matrix that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.gating.baseline import integer_share
from nnapi_check.reports.views import ModelReport

FAULT = "no answer"
PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True, slots=True)
class SweepRow:
    """What is said of one model for one target at one level, or why nothing is: then ``error`` says so.

    ``identity`` is of the model and of all that the answer depends on. ``gate`` is why the gate is not passed.
    ``seconds`` are those of the check, with the capture where it was made for it, and ``peak_mib`` is the most memory
    of the model's process until then. ``model_bytes`` are those of its file, or of what a builder's module would save.

    Where the model was also converted, ``artifact_bytes`` and ``convert_seconds`` tell of the file; ``verification``
    is ``PASSED`` or ``FAILED``, and ``difference`` the greatest difference of an output from PyTorch's, as a share of
    that output's range.
    """

    subject: str
    target: str
    feature_level: int
    identity: str
    tool_version: str
    torch_version: str
    finished: str
    seconds: float = 0.0
    readiness: str = FAULT
    score: float = 0.0
    ops: int = 0
    ops_on_nnapi: int = 0
    compute_share: float = 0.0
    integer_share: float = 0.0
    parts: int = 0
    transposes: int = 0
    lowest_ready_level: int | None = None
    peak_mib: int = 0
    model_bytes: int = 0
    artifact_bytes: int | None = None
    convert_seconds: float = 0.0
    difference: float | None = None
    verification: str = ""
    gate: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class StaysRow:
    """Why ops of one model stay on the CPU, with the number of places, and a fix."""

    subject: str
    target: str
    feature_level: int
    op: str
    reason: str
    requirement: str
    places: int
    because: str
    fix: str


def answered(asked: SweepRow, report: ModelReport) -> SweepRow:
    """The row that was asked for, with what a report says of the check, and of the conversion if there was one."""
    numbers = report.verification
    return SweepRow(
        subject=asked.subject,
        target=asked.target,
        feature_level=asked.feature_level,
        identity=asked.identity,
        tool_version=asked.tool_version,
        torch_version=asked.torch_version,
        finished=asked.finished,
        seconds=asked.seconds,
        readiness=report.readiness,
        score=report.score,
        ops=report.nodes_total,
        ops_on_nnapi=report.nodes_on_nnapi,
        compute_share=report.compute_coverage,
        integer_share=integer_share(report.work),
        parts=len(report.parts),
        transposes=sum(part.transposes for part in report.parts),
        lowest_ready_level=report.lowest_ready_level,
        peak_mib=asked.peak_mib,
        model_bytes=asked.model_bytes,
        artifact_bytes=report.artifact_bytes,
        convert_seconds=asked.convert_seconds,
        difference=None if numbers is None else max((output.max_relative for output in numbers.outputs), default=None),
        verification="" if numbers is None else PASSED if numbers.is_within_tolerance else FAILED,
        gate=" ".join(report.gate.reasons),
    )


def stays(row: SweepRow, report: ModelReport) -> tuple[StaysRow, ...]:
    """Why ops stay on the CPU, one row for each reason of an op."""
    found: dict[tuple[str, str, str], StaysRow] = {}
    for blocker in report.blockers:
        if blocker.is_alternative:
            continue
        key = (blocker.op, blocker.reason, blocker.requirement)
        before = found[key].places if key in found else 0
        found[key] = StaysRow(
            row.subject, row.target, row.feature_level, *key, before + len(blocker.places), blocker.because, blocker.fix
        )
    return tuple(found.values())


Column = tuple[str, int]
"""A target and a feature level."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows by their subject and column. A cell is None where nothing was asked."""

    columns: tuple[Column, ...]
    subjects: tuple[str, ...]
    cells: tuple[tuple[SweepRow | None, ...], ...]


def matrix(rows: Sequence[SweepRow]) -> Matrix:
    """The matrix of rows, subjects in the order in which they come first."""
    found = {(row.subject, (row.target, row.feature_level)): row for row in rows}
    columns = tuple(sorted({column for _, column in found}))
    subjects = tuple(dict.fromkeys(row.subject for row in rows))
    cells = tuple(tuple(found.get((subject, column)) for column in columns) for subject in subjects)
    return Matrix(columns, subjects, cells)


def column_words(column: Column, columns: Sequence[Column]) -> str:
    """A column's heading: its level, and its target where there are several."""
    target, level = column
    return f"level {level}" if len({other for other, _ in columns}) == 1 else f"{target} {level}"


def counts(rows: Sequence[SweepRow]) -> str:
    """What is told of all rows of a column: how often each verdict was given, and what became of conversions."""
    return "; ".join(filter(None, (verdict_counts(rows), conversion_words(rows))))


def verdict_counts(rows: Sequence[SweepRow]) -> str:
    """How often each verdict was given: ``ready 12, not worthwhile 3``."""
    order = [
        "ready",
        "ready with fallback",
        "not worthwhile",
        "unsupported",
        "does not fit the target",
        FAULT,
    ]
    found = {word: sum(row.readiness == word for row in rows) for word in order}
    return ", ".join(f"{word} {count}" for word, count in found.items() if count)


def conversion_words(rows: Sequence[SweepRow]) -> str:
    """How many were converted, and how far their numbers are from PyTorch's; empty where none was."""
    verified = [row for row in rows if row.verification]
    if not verified:
        return ""
    passed = [row for row in verified if row.verification == PASSED]
    furthest = max((row.difference or 0.0 for row in passed), default=None)
    told = f"{len(verified)} converted, {len(passed)} within tolerance"
    return told if furthest is None else f"{told} and {_apart(furthest)} or nearer"


def difference_words(row: SweepRow) -> str:
    """How far a converted model is from PyTorch."""
    return "not compared with PyTorch" if row.difference is None else _apart(row.difference)


def _apart(difference: float) -> str:
    return f"{difference:.0e} of an output's range from PyTorch"


def failure_words(row: SweepRow) -> str:
    """Why there is no answer, or what does not hold of it; empty where all is well."""
    if row.verification == FAILED:
        return f"Converted for level {row.feature_level}, it is {difference_words(row)}, beyond its tolerance."
    return row.error


def cell_words(row: SweepRow | None) -> str:
    """What a cell of text says: the score, and the parts where there are several."""
    if row is None:
        return ""
    if row.error:
        return "error"
    if row.verification == FAILED:
        return "differs"
    if row.readiness == "does not fit the target":
        return "no fit"
    parts = f" in {row.parts}" if row.parts > 1 else ""
    return f"{shown_score(row.score)}{parts}"
