"""From changes that were tried to what a report says of them."""

from __future__ import annotations

from nnapi_check.analyzer.planning.gains import Basis, Change, Changes, Outcome, Remedy
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.reports.views import CauseView, FirstChangesView, PlaceView, RemedyView


def first_changes_view(found: Changes, survey: Survey) -> FirstChangesView | None:
    """What a report says of the changes that gain most; None where there are none."""
    if not found.first:
        return None
    together = None if found.together is None else Remedy(Basis.SUPPOSED, "", found.together)
    return FirstChangesView(
        score=found.now.score,
        parts=found.now.parts,
        work=found.now.work,
        causes=tuple(_change(change, found.now, survey) for change in found.first),
        together=None if together is None else _remedy(together, found.now),
    )


def _change(change: Change, now: Outcome, survey: Survey) -> CauseView:
    cause = change.cause
    remedies = tuple(_remedy(remedy, now) for remedy in change.remedies)
    told = {remedy.fix for remedy in remedies}
    fixes = (cause.fix, *(failure.fix for failure in cause.others))
    return CauseView(
        ops=cause.ops,
        because=" ".join(dict.fromkeys(failure.because for failure in cause.needed)),
        remedies=remedies,
        alternatives=tuple(dict.fromkeys(fix for fix in fixes if fix not in told)),
        places=tuple(_place(node, cause.needed[0].found, survey) for node in cause.nodes),
    )


def _remedy(remedy: Remedy, now: Outcome) -> RemedyView:
    made = remedy.outcome
    return RemedyView(
        basis=remedy.basis.value,
        fix=remedy.fix,
        gain=made.score - now.score,
        score=made.score,
        parts=made.parts,
        work=made.work,
        readiness=made.readiness.value,
        level=remedy.level,
    )


def _place(node: int, found: str, survey: Survey) -> PlaceView:
    source = survey.nodes[node].source
    return PlaceView(survey.nodes[node].op, source.module, source.file, source.line, found)
