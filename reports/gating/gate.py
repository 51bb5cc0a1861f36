"""The gate: what a user asks of a model, and whether the report on it passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.gating.baseline import Baseline, Facts, compared, facts_of, share_words, worsened
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


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a model lacks of a gate. ``asked`` names what was asked for, the same for every model that lacks it."""

    asked: str
    sentence: str


def judged(report: ModelReport, gate: Gate, baseline: Baseline | None = None) -> ModelReport:
    """The report with the answer of the gate. With a baseline nothing may be worse, and what it lacked is let pass."""
    failures = tuple(_failures(facts_of(report), gate))
    if baseline is None:
        return replace(report, gate=_view(failures), comparison=None)
    lacked = {failure.asked for failure in _failures(baseline.facts, gate)}
    comparison = compared(report, baseline)
    accepted = tuple(failure.sentence for failure in failures if failure.asked in lacked)
    new = _view(failure for failure in failures if failure.asked not in lacked)
    reasons = (*worsened(comparison), *new.reasons)
    return replace(report, gate=GateView(not reasons, reasons), comparison=replace(comparison, accepted=accepted))


def _view(failures: Iterable[_Failure]) -> GateView:
    reasons = tuple(failure.sentence for failure in failures)
    return GateView(not reasons, reasons)


def _failures(facts: Facts, gate: Gate) -> Iterator[_Failure]:
    if gate.is_strict:
        for op in facts.unknown_ops:
            yield _Failure(f"strict {op}", f"Nothing is known of {op}; a strict gate refuses that.")
    if not facts.is_carried:
        yield _Failure(
            "a part", f"The target {facts.target} does not carry the model at feature level {facts.feature_level}."
        )
    elif not facts.parts:
        yield _Failure("a part", f"The model is {facts.readiness}: no part is worth running on NNAPI.")
    elif gate.requires_worthwhile and facts.readiness == Readiness.NOT_WORTHWHILE.value:
        words = (
            "The model is likely to be slower in pieces than on the CPU alone; one that is worthwhile was asked for."
        )
        yield _Failure("worthwhile", words)
    if gate.requires_ready and facts.readiness != Readiness.READY.value:
        yield _Failure("ready", f"The model is {facts.readiness}; ready was asked for.")
    if gate.min_score is not None and facts.score < gate.min_score:
        words = f"The score is {shown_score(facts.score)}; at least {gate.min_score:g} was asked for."
        yield _Failure("score", words)
    yield from _shares(facts, gate)
    if gate.max_parts is not None and facts.parts > gate.max_parts:
        yield _Failure("parts", f"The model becomes {facts.parts} parts; at most {gate.max_parts} were asked for.")
    lowest = facts.lowest_ready_level
    if gate.ready_from is not None and (lowest is None or lowest > gate.ready_from):
        found = "at no feature level" if lowest is None else f"from feature level {lowest} on"
        yield _Failure("level", f"The model is ready {found}; from {gate.ready_from} on was asked for.")
    if gate.max_bytes is not None and facts.artifact_bytes is not None and facts.artifact_bytes > gate.max_bytes:
        words = f"The file has {facts.artifact_bytes:,} bytes; at most {gate.max_bytes:,} were asked for."
        yield _Failure("bytes", words)


def _shares(facts: Facts, gate: Gate) -> Iterator[_Failure]:
    shares = (
        ("share", "of the work", facts.compute_share, gate.min_compute_share),
        ("integers", "of the work in integers", facts.integer_share, gate.min_integer_share),
    )
    for name, what, share, least in shares:
        # What cannot be counted may be more than all the rest.
        if least and (100 * share < least or facts.uncounted):
            found = share_words(share, facts.uncounted)
            found = f"a share that is not known {what}" if found == "not known" else f"{found} {what}"
            ops = "1 op has" if facts.uncounted == 1 else f"{facts.uncounted} ops have"
            why = f", for {ops} an unknown number of multiply-adds" if facts.uncounted else ""
            yield _Failure(name, f"NNAPI computes {found}{why}; at least {least:g}% was asked for.")
