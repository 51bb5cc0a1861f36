"""From changes that were tried to what a report says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnapi_check.analyzer.planning.gains import AppliedEdit, Change, Changes, Outcome, Remedy
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.reports.views import CauseView, EditView, FirstChangesView, PlaceView, RemedyView

NEAR = "NNAPI's operations come near to what this op computes, and no closer."
"""Why ops lose points that run there; how near follows."""


def first_changes_view(found: Changes, survey: Survey, plan: Plan) -> FirstChangesView | None:
    """What a report on a plan says of the changes that gain most; None where there are none."""
    if not found.first:
        return None
    return FirstChangesView(
        score=found.now.score,
        parts=found.now.parts,
        work=found.now.work,
        causes=tuple(_change(change, found.now, survey, plan) for change in found.first),
        together=None if found.together is None else replace(_remedy(found.together, found.now), edits=()),
    )


def _change(change: Change, now: Outcome, survey: Survey, plan: Plan) -> CauseView:
    cause = change.cause
    remedies = tuple(_remedy(remedy, now) for remedy in change.remedies)
    found = "" if cause.near else cause.needed[0].found
    told = {remedy.fix for remedy in remedies}
    fixes = () if cause.near else (cause.fix, *(failure.fix for failure in cause.others))
    return CauseView(
        ops=cause.ops,
        because=_near(cause.nodes, plan)
        if cause.near
        else " ".join(dict.fromkeys(failure.because for failure in cause.needed)),
        remedies=remedies,
        alternatives=tuple(dict.fromkeys(fix for fix in fixes if fix not in told)),
        places=tuple(_place(node, found, survey) for node in cause.nodes),
    )


def _near(nodes: Sequence[int], plan: Plan) -> str:
    ways = (plan.verdicts[node].way for node in nodes)
    bounds = dict.fromkeys(way.bound.words for way in ways if way is not None and way.bound is not None)
    return " ".join((NEAR, *bounds))


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
        edits=tuple(map(_edit, remedy.edits)),
    )


def _edit(applied: AppliedEdit) -> EditView:
    edit = applied.edit
    return EditView(
        id=edit.id,
        before=applied.before,
        after=applied.after,
        keeps=edit.keeps.value,
        within=edit.within,
        provided=edit.provided,
        calls=len(applied.nodes),
    )


def _place(node: int, found: str, survey: Survey) -> PlaceView:
    source = survey.nodes[node].source
    return PlaceView(survey.nodes[node].op, source.module, source.file, source.line, found)
