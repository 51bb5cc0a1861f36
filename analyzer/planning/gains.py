"""What mending a cause gains, found by trying: the graph is planned again as it would be, and compared.

Planning again costs about as much as planning did, so only the causes that lost most are tried, fewer in large graphs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from nnapi_check.analyzer.judging.judge import LEVELS, NodeJudgement
from nnapi_check.analyzer.judging.nearest_ways import WayVerdict
from nnapi_check.analyzer.planning.causes import Cause, causes
from nnapi_check.analyzer.planning.counted_work import Counted, counted
from nnapi_check.analyzer.planning.plan import Plan, Readiness
from nnapi_check.analyzer.planning.score import LossKind
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.cards import Emission, Layout, Way
from nnapi_check.coverage_db.spec import OperandType

SHOWN = 3
"""How many changes are told."""

TRIED = 6
"""How many causes are tried at most."""

TRIED_NODES = 12_000
"""How many nodes are planned again at most, all trials together; the causes that are told are tried in any graph."""

LEAST = 0.05
"""The points below which a gain is not worth telling: none would show."""

_SUPPOSED = Way("supposed", (Emission("ANY", type=OperandType.TENSOR_FLOAT32),), Layout.ANY)


class Basis(Enum):
    """How it is known what a change gains: by the plan that was made with it, or only how much it is at most."""

    LEVEL = "level"  # the plan for a higher level
    SUPPOSED = "supposed"  # the plan as though NNAPI had the ops: what replaces them is not known


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a plan comes to. ``work`` is the share of multiply-adds that runs on NNAPI, None where there are none."""

    score: float
    parts: int
    work: float | None
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that mends a cause, and what comes of it. ``level`` is set where the change is that of the target."""

    basis: Basis
    fix: str
    outcome: Outcome
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A cause and what mends it, the remedy that is known to gain first."""

    cause: Cause
    remedies: tuple[Remedy, ...]

    @property
    def gained(self) -> float:
        """The score with the first remedy."""
        return self.remedies[0].outcome.score


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change first, by what it gains, the most first: no more than a few.

    ``now`` is what the plan comes to. ``together`` is what it comes to at most with all of them, where that is more
    than the best alone gives.
    """

    now: Outcome
    first: tuple[Change, ...]
    together: Outcome | None


def changes_worth_most(survey: Survey, plan: Plan) -> Changes:
    """Try the causes that lost most, and tell those whose mending gains most."""
    work = counted(survey, plan)
    now = _outcome(work, plan)
    if plan.level < survey.target.lowest_level:
        return Changes(now, (), None)
    found = causes(survey, plan)
    most = max(SHOWN, min(TRIED, TRIED_NODES // max(1, len(survey.nodes))))
    tried = [Change(cause, tuple(_remedies(cause, survey, plan, work, now))) for cause in found[:most]]
    worth = sorted((change for change in tried if change.remedies), key=lambda change: -change.gained)[:SHOWN]
    # What gains nothing alone may do so with the others, as where one model must hold everything.
    filled = (*worth, *[change for change in tried if not change.remedies][: SHOWN - len(worth)])
    together = _together(filled, survey, plan, work, now)
    return Changes(now, tuple(worth) if worth and together is None else filled, together)


def _remedies(cause: Cause, survey: Survey, plan: Plan, work: Counted, now: Outcome) -> Iterator[Remedy]:
    if cause.level is not None and plan.level < cause.level <= LEVELS[-1]:
        outcome = _outcome(work, survey.at(cause.level))
        if outcome.score >= now.score + LEAST:
            yield Remedy(Basis.LEVEL, cause.fix, outcome, cause.level)
        return
    outcome = _supposing([cause], survey, plan, work)
    if outcome.score >= now.score + LEAST:
        yield Remedy(Basis.SUPPOSED, cause.fix, outcome)


def _together(worth: Sequence[Change], survey: Survey, plan: Plan, work: Counted, now: Outcome) -> Outcome | None:
    if len(worth) < 2:
        return None
    outcome = _supposing([change.cause for change in worth], survey, plan, work)
    best = max((change.gained for change in worth if change.remedies), default=now.score)
    return outcome if outcome.score >= best + LEAST else None


def _supposing(supposed: Collection[Cause], survey: Survey, plan: Plan, work: Counted) -> Outcome:
    """What the plan would come to if NNAPI computed the nodes of these causes, in integers where they are quantized."""
    judged = dict(survey.judgement.nodes)
    for cause in supposed:
        for node in cause.nodes:
            judged[node] = _in_integers(judged[node]) if cause.in_floats else _on_nnapi(judged[node])
    judgement = replace(survey.judgement, nodes=judged)
    made = survey.planning.plans(judgement, plan.level)[-1]
    outcome = _outcome(work, made)
    if made.readiness is Readiness.DOES_NOT_FIT or not plan.partition.parts:
        return outcome
    # A tensor of a shape that is not known crosses no boundary, and will once it is mended: no less than this is most.
    nodes = {node for cause in supposed for node in cause.nodes}
    lost = sum(loss.points for loss in plan.score.losses if loss.kind is LossKind.NODE and loss.id in nodes)
    return replace(outcome, score=min(100.0, max(outcome.score, plan.score.points + lost)))


def _on_nnapi(judged: NodeJudgement) -> NodeJudgement:
    return replace(judged, ways=(WayVerdict(_SUPPOSED, 1, ()),), failures=())


def _in_integers(judged: NodeJudgement) -> NodeJudgement:
    return replace(judged, is_quantized=False, is_decomposed=False)


def _outcome(work: Counted, plan: Plan) -> Outcome:
    return Outcome(plan.score.points, len(plan.partition.parts), work.split(plan).share, plan.readiness)
