"""The gate: what a user asks of a model, and whether the report on it passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.gating.baseline import Baseline, compared, integer_share, worsened
from nnapi_check.reports.views import GateView, ModelReport


@dataclass(frozen=True, slots=True)
class Gate:
    """What is asked of a model beside a part that runs on NNAPI; None asks for nothing.

    A gate that ``requires_worthwhile`` refuses a model in pieces that is likely to be slower than on the CPU alone.
    Shares are in percent of the multiply-adds: those on NNAPI, and those that NNAPI computes in integers.
    ``max_bytes`` bounds the file that a conversion writes. With ``ready_from`` the model is to be ready from that
    feature level on. A gate that ``is_strict`` refuses ops of which nothing is known.
    """

    min_score: float | None = None
    requires_ready: bool = False
    requires_worthwhile: bool = False
    is_strict: bool = False
    min_compute_share: float | None = None
    min_integer_share: float | None = None
    max_parts: int | None = None
    ready_from: int | None = None
    max_bytes: int | None = None


NO_GATE = Gate()
"""Asks for nothing more."""


def judged(report: ModelReport, gate: Gate, baseline: Baseline | None = None) -> ModelReport:
    """The report with the answer of the gate. With a baseline only what is worse than it fails."""
    reasons = tuple(_reasons(report, gate))
    if baseline is None:
        return replace(report, gate=GateView(not reasons, reasons), comparison=None)
    comparison = replace(compared(report, baseline), accepted=reasons)
    worse = worsened(comparison)
    return replace(report, gate=GateView(not worse, worse), comparison=comparison)


def _reasons(report: ModelReport, gate: Gate) -> Iterator[str]:
    unknown = sorted({node.op for node in report.nodes if node.status == "unknown"})
    if gate.is_strict and unknown:
        yield f"Nothing is known of {', '.join(unknown)}; a strict gate refuses that."
    if report.misfit is not None:
        yield f"The target {report.target} does not carry the model at feature level {report.feature_level}."
    elif not report.parts:
        yield f"The model is {report.readiness}: no part is worth running on NNAPI."
    elif gate.requires_worthwhile and report.readiness == Readiness.NOT_WORTHWHILE.value:
        yield "The model is likely to be slower in pieces than on the CPU alone; one that is worthwhile was asked for."
    if gate.requires_ready and report.readiness != Readiness.READY.value:
        yield f"The model is {report.readiness}; ready was asked for."
    if gate.min_score is not None and report.score < gate.min_score:
        yield f"The score is {shown_score(report.score)}; at least {gate.min_score:g} was asked for."
    yield from _shares(report, gate)
    if gate.max_parts is not None and len(report.parts) > gate.max_parts:
        yield f"The model becomes {len(report.parts)} parts; at most {gate.max_parts} were asked for."
    lowest = report.lowest_ready_level
    if gate.ready_from is not None and (lowest is None or lowest > gate.ready_from):
        found = "at no feature level" if lowest is None else f"from feature level {lowest} on"
        yield f"The model is ready {found}; from {gate.ready_from} on was asked for."
    if gate.max_bytes is not None and report.artifact_bytes is not None and report.artifact_bytes > gate.max_bytes:
        yield f"The file has {report.artifact_bytes:,} bytes; at most {gate.max_bytes:,} were asked for."


def _shares(report: ModelReport, gate: Gate) -> Iterator[str]:
    # Rounded down, as what is shown must not look like what was asked for.
    share = 100 * report.compute_coverage
    if gate.min_compute_share is not None and share < gate.min_compute_share:
        words = f"{shown_score(share)}% of the work; at least {gate.min_compute_share:g}% was asked for"
        yield f"NNAPI computes {words}."
    integers = 100 * integer_share(report.work)
    if gate.min_integer_share is not None and integers < gate.min_integer_share:
        words = f"{shown_score(integers)}% of the work in integers; at least {gate.min_integer_share:g}% was asked for"
        yield f"NNAPI computes {words}."
