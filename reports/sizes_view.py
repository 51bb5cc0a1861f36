"""One report on a model at several sizes of its inputs: it is about the size that gets least, and tells of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shown_share
from nnapi_check.reports.terminal import count_words
from nnapi_check.reports.views import GateView, ModelReport, SizeView, VerificationView


def of_all_sizes(reports: Sequence[ModelReport]) -> ModelReport:
    """The report on the size with the lowest score, whose gate is that of all sizes."""
    lowest = min(reports, key=lambda report: report.score)
    if len(reports) == 1:
        return lowest
    sizes = tuple(_size(report) for report in reports)
    is_alike = len({report.score for report in reports}) == 1
    which = f"the first of {len(sizes)} sizes" if is_alike else f"which gets least of {len(sizes)} sizes"
    first = f"This report is about {', '.join(lowest.inputs)}, {which}."
    reasons = tuple(f"{', '.join(report.inputs)}: {reason}" for report in reports for reason in report.gate.reasons)
    gate = GateView(all(report.gate.is_passed for report in reports), reasons)
    notes = (first, *(f"{_words(report)}." for report in reports), *lowest.notes)
    return replace(lowest, notes=notes, gate=gate, sizes=sizes)


def verified_sizes(views: Sequence[tuple[str, VerificationView]]) -> VerificationView:
    """The numbers of the size that is off, or the first, with a note on each. Sizes are told by their types."""
    (_, first), *_ = sorted(views, key=lambda view: view[1].is_within_tolerance)
    if len(views) == 1:
        return first
    return replace(first, notes=(*(f"At {types}{_measured(view)}." for types, view in views), *first.notes))


def _size(report: ModelReport) -> SizeView:
    return SizeView(
        report.inputs,
        report.readiness,
        report.score,
        len(report.parts),
        report.nodes_on_nnapi,
        report.nodes_total,
        report.compute_coverage,
        report.verification,
    )


def _words(report: ModelReport) -> str:
    share = shown_share(report.compute_coverage, uncounted=report.uncounted)
    parts = count_words(len(report.parts), "part")
    words = f"{report.readiness}, score {shown_score(report.score)}, {parts}, {share} of the work"
    measured = "" if report.verification is None else f"; {_measured(report.verification).removeprefix(': ')}"
    return f"At {', '.join(report.inputs)}: {words}{measured}"


def _measured(found: VerificationView) -> str:
    worst = max((numbers.max_relative for numbers in found.outputs), default=0.0)
    words = "within" if found.is_within_tolerance else "NOT WITHIN"
    return f": {words} tolerance, {worst:.2e} of the largest number at most"
