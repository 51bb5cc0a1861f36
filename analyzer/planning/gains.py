"""What mending a cause gains, found by trying: the graph is planned again as it would be, and compared.

Planning again costs about as much as planning did, so only the causes that lost most are tried, fewer in large graphs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from nnapi_check.analyzer.judging.arithmetic import StandsFor
from nnapi_check.analyzer.judging.judge import LEVELS, NodeJudgement
from nnapi_check.analyzer.judging.nearest_ways import WayVerdict
from nnapi_check.analyzer.planning.causes import Cause, causes
from nnapi_check.analyzer.planning.counted_work import Counted, counted
from nnapi_check.analyzer.planning.plan import Plan, Readiness
from nnapi_check.analyzer.planning.score import LossKind
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.cards import Emission, Layout, Way
from nnapi_check.coverage_db.edits.edit import Edit
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
    TRIED = "tried"  # the plan of the graph with the edit made
    SUPPOSED = "supposed"  # the plan as though NNAPI had the ops: what replaces them is not known


@dataclass(frozen=True, slots=True)
class AppliedEdit:
    """An edit where it is for ``nodes``, with its code as it stands for the first of them."""

    edit: Edit
    before: str
    after: str
    nodes: tuple[int, ...]


class Editor(Protocol):
    """What applies edits to the graph of a survey."""

    def edits_of(self, cause: Cause) -> Iterator[AppliedEdit]:
        """The edits that are for nodes of a cause."""

    def survey_with(self, applied: Iterable[AppliedEdit], level: int) -> Survey:
        """The survey of the model with these edits, up to a feature level."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a plan comes to. ``work`` is the share of multiply-adds that runs on NNAPI, None where there are none."""

    score: float
    parts: int
    work: float | None
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that mends a cause, and what comes of it. ``level`` is set where the change is that of the target,
    ``edits`` are those that were made: each is for other calls."""

    basis: Basis
    fix: str
    outcome: Outcome
    level: int | None = None
    edits: tuple[AppliedEdit, ...] = ()

    @property
    def changes_numbers(self) -> bool:
        """Whether the model's numbers are others with it."""
        return any(applied.edit.changes_numbers for applied in self.edits)

    @property
    def edited_nodes(self) -> int:
        """How many nodes the edits are for."""
        return sum(len(applied.nodes) for applied in self.edits)


@dataclass(frozen=True, slots=True)
class Change:
    """A cause and what mends it, what gains most first. An edit may stand last that gains with other changes only."""

    cause: Cause
    remedies: tuple[Remedy, ...]

    @property
    def edits(self) -> tuple[AppliedEdit, ...]:
        """The edits that gain most of those told."""
        return next((remedy.edits for remedy in self.remedies if remedy.edits), ())

    def gained(self, now: Outcome) -> float:
        """The points that the first remedy gains, 0 where that is too little to show."""
        gained = self.remedies[0].outcome.score - now.score if self.remedies else 0.0
        return gained if gained >= LEAST else 0.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change first, by what it gains, the most first: no more than a few.

    ``now`` is what the plan comes to. ``together`` is what it comes to at most with all of them, where that is more
    than the best alone gives.
    """

    now: Outcome
    first: tuple[Change, ...]
    together: Remedy | None


def changes_worth_most(survey: Survey, plan: Plan, editor: Editor | None = None) -> Changes:
    """Try the causes that lost most, and tell those whose mending gains most; without an ``editor``, no edits."""
    work = counted(survey, plan)
    now = _outcome(work, plan)
    if plan.level < survey.target.lowest_level:
        return Changes(now, (), None)
    trying = _Trying(survey, plan, work, now, editor)
    most = max(SHOWN, min(TRIED, TRIED_NODES // max(1, len(survey.nodes))))
    tried = [trying.change(cause) for cause in causes(survey, plan)[:most]]
    tried = [change for change in tried if change.remedies or not change.cause.near]
    worth = sorted((change for change in tried if change.gained(now)), key=lambda change: -change.gained(now))[:SHOWN]
    # What gains nothing alone may do so with the others, as where one model must hold everything.
    filled = (*worth, *[change for change in tried if not change.gained(now)][: SHOWN - len(worth)])
    together = trying.together(filled)
    told = filled if together is not None or not worth else worth
    if together is None or together.basis is not Basis.TRIED:
        told = [replace(change, remedies=tuple(filter(trying.gains, change.remedies))) for change in told]
    return Changes(now, tuple(told), together)


@dataclass(frozen=True, slots=True)
class _Trying:
    """Changes to what a plan holds, which comes to ``now``."""

    survey: Survey
    plan: Plan
    work: Counted
    now: Outcome
    editor: Editor | None

    def change(self, cause: Cause) -> Change:
        """A cause with what mends it: edits as they were made, or else what is supposed."""
        edits = [] if self.editor is None else list(self.editor.edits_of(cause))
        made = [self.edited([edit]) for edit in edits]
        several = _of_other_nodes(edits)
        if len(several) > 1:
            made.append(self.edited(several))
        gaining = self.gaining(made)
        if cause.level is not None and self.plan.level < cause.level <= LEVELS[-1]:
            outcome = _outcome(self.work, self.survey.at(cause.level))
            gaining += self.gaining([Remedy(Basis.LEVEL, cause.fix, outcome, cause.level)])
        elif not gaining and not cause.near and all(remedy.edited_nodes < len(cause.nodes) for remedy in made):
            gaining = self.gaining([Remedy(Basis.SUPPOSED, cause.fix, self.supposing([cause]))])
        if made and not cause.near and not any(remedy.edits for remedy in gaining):
            gaining.append(max(made, key=lambda remedy: remedy.edited_nodes))
        return Change(cause, tuple(gaining))

    def gains(self, remedy: Remedy) -> bool:
        """Whether a remedy gains enough by itself to be shown."""
        return remedy.outcome.score >= self.now.score + LEAST

    def gaining(self, remedies: Sequence[Remedy]) -> list[Remedy]:
        """Those that gain something, the most first; of two that gain alike, what keeps the numbers is told alone."""
        worth = [remedy for remedy in remedies if self.gains(remedy)]
        worth.sort(key=lambda remedy: (-round(remedy.outcome.score, 1), remedy.changes_numbers))
        best: list[Remedy] = []
        for remedy in worth:
            if not any(remedy.changes_numbers >= other.changes_numbers for other in best):
                best.append(remedy)
        return best

    def together(self, changes: Sequence[Change]) -> Remedy | None:
        """What all of them come to, where that is more than the best of them gives."""
        if len(changes) < 2:
            return None
        edits = [applied for change in changes for applied in change.edits]
        if all(change.edits for change in changes):
            found = self.edited(edits)
        else:
            found = Remedy(Basis.SUPPOSED, "", self.supposing([change.cause for change in changes]))
        best = max(self.now.score + change.gained(self.now) for change in changes)
        return found if found.outcome.score >= best + LEAST else None

    def edited(self, edits: Sequence[AppliedEdit]) -> Remedy:
        """What the plan of the graph with these edits comes to."""
        if self.editor is None:
            raise ValueError("edits need an editor")
        survey = self.editor.survey_with(edits, self.plan.level)
        plan = survey.plans[-1]
        says = " ".join(dict.fromkeys(edit.edit.says for edit in edits))
        return Remedy(Basis.TRIED, says, _outcome(counted(survey, plan), plan), edits=tuple(edits))

    def supposing(self, supposed: Collection[Cause]) -> Outcome:
        """What the plan would come to if NNAPI computed the nodes of these causes, in integers where quantized."""
        survey, plan = self.survey, self.plan
        judged = dict(survey.judgement.nodes)
        for cause in supposed:
            for node in cause.nodes:
                judged[node] = _in_integers(judged[node]) if cause.in_floats else _on_nnapi(judged[node])
        judgement = replace(survey.judgement, nodes=judged)
        made = survey.planning.plans(judgement, plan.level)[-1]
        outcome = _outcome(self.work, made)
        if made.readiness is Readiness.DOES_NOT_FIT or not plan.partition.parts:
            return outcome
        # A tensor of unknown shape crosses no boundary, and will once it is mended: no less than this is most.
        nodes = {node for cause in supposed for node in cause.nodes}
        lost = sum(loss.points for loss in plan.score.losses if loss.kind is LossKind.NODE and loss.id in nodes)
        least = min(100.0, plan.score.points + lost)
        if outcome.score >= least:
            return outcome
        # Where these nodes alone would draw others off NNAPI, what is there stays, for it need not come to that.
        is_kept = made.partition.parts and (outcome.work or 0.0) >= (self.now.work or 0.0)
        return replace(outcome if is_kept else self.now, score=least)


def _of_other_nodes(edits: Sequence[AppliedEdit]) -> list[AppliedEdit]:
    """Edits that can be made together: the first for each node."""
    found: list[AppliedEdit] = []
    taken: set[int] = set()
    for applied in edits:
        if taken.isdisjoint(applied.nodes):
            found.append(applied)
            taken.update(applied.nodes)
    return found


def _on_nnapi(judged: NodeJudgement) -> NodeJudgement:
    return replace(judged, ways=(WayVerdict(_SUPPOSED, 1, ()),), failures=())


def _in_integers(judged: NodeJudgement) -> NodeJudgement:
    return replace(judged, is_quantized=False, stands_for=StandsFor.FLOATS)


def _outcome(work: Counted, plan: Plan) -> Outcome:
    return Outcome(plan.score.points, len(plan.partition.parts), work.split(plan).share, plan.readiness)
