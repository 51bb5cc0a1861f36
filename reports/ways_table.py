"""One table of what becomes of a model by each choice for scales per channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnapi_check.reports.computing import shares
from nnapi_check.reports.table import number, table, text
from nnapi_check.reports.terminal import wrapped
from nnapi_check.reports.views import ModelReport, NumbersView, WorkView


@dataclass(frozen=True, slots=True)
class ChosenView:
    """A model converted by one choice. ``outputs`` are far from PyTorch's by so much, and ``bytes`` is what the result
    takes: None, and no outputs, where nothing is worth converting."""

    per_channel: str
    readiness: str
    score: float
    work: WorkView
    parts: int
    operations: int
    bytes: int | None
    outputs: tuple[NumbersView, ...]
    is_within_tolerance: bool


def chosen_view(report: ModelReport, size: int | None) -> ChosenView:
    """What the report of a conversion says of the choice that it was made by."""
    found = report.verification
    return ChosenView(
        per_channel=report.per_channel,
        readiness=report.readiness,
        score=report.score,
        work=report.work,
        parts=len(report.parts),
        operations=sum(part.operations for part in report.parts),
        bytes=size,
        outputs=() if found is None else found.outputs,
        is_within_tolerance=found is None or found.is_within_tolerance,
    )


def ways_lines(found: Sequence[ChosenView]) -> Iterator[str]:
    """The table, a row for each choice and one more for each further output, and what to read it by."""
    columns = [
        text("way"),
        number("score"),
        *(number(heading) for heading in ("integer", "float", "CPU", "operations", "kB", "error", "SNR dB")),
    ]
    yield from table(columns, [row for view in found for row in _rows(view)])
    yield ""
    yield from wrapped(
        "Shares are of multiply-adds; the error is the greatest of an output, in its own unit, and SNR its signal to "
        "noise, both against PyTorch's quantized model. Ways are chosen by --per-channel.",
        "",
    )
    for view in found:
        if not view.is_within_tolerance:
            yield from wrapped(f"{view.per_channel} is not within the tolerance that its report states.", "Note: ")


def _rows(view: ChosenView) -> Iterator[tuple[str, ...]]:
    size = "" if view.bytes is None else f"{view.bytes / 1000:,.0f}"
    counts = (f"{view.score:.1f}", *shares(view.work, uncounted=0), str(view.operations), size)
    first, *others = view.outputs or (None,)
    yield (view.per_channel, *counts, *_error(first))
    for index, output in enumerate(others, 1):
        yield (f"  output {index}", *("" for _ in counts), *_error(output))


def _error(output: NumbersView | None) -> tuple[str, str]:
    if output is None:
        return "", ""
    return f"{output.max_absolute:.3g}", "exact" if output.signal_to_noise is None else f"{output.signal_to_noise:.1f}"
