"""The whole answer about a graph: a plan for every feature level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nnapi_check.analyzer.graph import Graph, Node, TensorType
from nnapi_check.analyzer.held_axes import LAYOUT_RANKS
from nnapi_check.analyzer.judging.control_flow import other_order
from nnapi_check.analyzer.judging.device_limits import Device, narrowed, planning_knowledge
from nnapi_check.analyzer.judging.judge import LEVELS, Judgement, Knowledge, NodeVerdict, judge, with_insides
from nnapi_check.analyzer.planning.equalized_plan import ends_since, equalized
from nnapi_check.analyzer.planning.layout import LayoutChange, LayoutChanges, LayoutPlan, plan_layout
from nnapi_check.analyzer.planning.partition import partition
from nnapi_check.analyzer.planning.plan import Plan, Readiness, readiness_of
from nnapi_check.analyzer.planning.score import score
from nnapi_check.analyzer.planning.whole import outside_one_model
from nnapi_check.analyzer.planning.work import works
from nnapi_check.analyzer.planning.worth import WORTHWHILE
from nnapi_check.coverage_db.targets import PER_CHANNEL, PerChannelChoice, Target

TOO_LOW = "NNC904"
"""The reason code of parts at a level that the target does not reach."""

NOT_WHOLE = "NNC905"
"""That of parts of a model that is not one part, where the target carries no other."""


@dataclass(frozen=True, slots=True)
class Planning:
    """What judged graphs are planned with: the same for a graph, and for what it would be after a change."""

    knowledge: Knowledge
    target: Target
    device: Device | None
    gain: float

    def narrowed(self, judgement: Judgement) -> Judgement:
        """The judgement as it is on the device, where there is a profile of one."""
        if self.device is None:
            return judgement
        return narrowed(judgement, self.device)

    def plans(self, judgement: Judgement, highest: int = LEVELS[-1]) -> tuple[Plan, ...]:
        """The best plan of a narrowed judgement for each feature level up to the ``highest``."""
        knowledge = self.knowledge if self.device is None else planning_knowledge(self.knowledge, self.device)
        planner = _Planner(judgement.graph, knowledge, self.target, self.gain)
        found = tuple(_best_plans(planner, judgement, highest))
        if judgement.uses.per_channel is not PerChannelChoice.EQUALIZE:
            return found
        since = ends_since(self.knowledge, self.device)
        return found if since is None else tuple(equalized(plan, judgement.uses, since) for plan in found)


@dataclass(frozen=True, slots=True)
class Survey:
    """A graph, and the best plan for each feature level, the lowest first.

    ``planning`` is what they were made with of the ``judgement``, which is narrowed to the device.
    """

    graph: Graph
    target: Target
    plans: tuple[Plan, ...]
    planning: Planning
    judgement: Judgement

    @property
    def nodes(self) -> Mapping[int, Node]:
        """The nodes of the graph by id."""
        return self.graph.by_id

    @property
    def per_channel(self) -> PerChannelChoice:
        """What was chosen for weights with a scale for each channel."""
        return self.judgement.uses.per_channel

    def at(self, level: int) -> Plan:
        """The best plan for a feature level."""
        return self.plans[LEVELS.index(level)]

    def best(self) -> Plan:
        """The plan of the lowest level that no higher one scores better than; the highest, where none scores."""
        best = max(plan.score.points for plan in self.plans)
        if not best:
            return self.plans[-1]
        return next(plan for plan in self.plans if plan.score.points >= best - 1e-9)

    def lowest_ready_level(self) -> int | None:
        """The lowest feature level at which one part holds everything, or None."""
        return next((plan.level for plan in self.plans if plan.readiness is Readiness.READY), None)


def survey(
    graph: Graph,
    knowledge: Knowledge,
    target: Target,
    *,
    gain: float = WORTHWHILE,
    per_channel: PerChannelChoice = PER_CHANNEL,
) -> Survey:
    """Judge a graph for a target, and plan it at every level. Linear in the number of nodes.

    With a ``gain`` of 0 every part that can run on NNAPI does, worthwhile or not; else it must gain that many times
    what it costs.
    """
    return planned(judge(graph, knowledge, target, per_channel), knowledge, target, gain=gain)


def planned(
    judgement: Judgement,
    knowledge: Knowledge,
    target: Target,
    device: Device | None = None,
    *,
    gain: float = WORTHWHILE,
) -> Survey:
    """Plan a judged graph at every level, for one device where its profile is given."""
    planning = Planning(knowledge, target, device, gain)
    found = planning.narrowed(judgement)
    return Survey(judgement.graph, target, planning.plans(found), planning, found)


def _best_plans(planner: _Planner, judgement: Judgement, highest: int) -> Iterator[Plan]:
    """A plan for each level: its own, or that of the level below where it scores better."""
    lower: Plan | None = None
    for level, verdicts in judgement.at_levels(LEVELS[: LEVELS.index(highest) + 1]):
        plan = planner.plan(level, verdicts)
        if lower is not None and lower.score.points > plan.score.points + 1e-9:
            plan = lower.kept_at(level, plan.verdicts)
        yield planner.reached(plan)
        lower = plan


class _Planner:
    """Plans a graph at one level after the other. Levels that have the same ways and changes of layout share a plan."""

    def __init__(self, graph: Graph, knowledge: Knowledge, target: Target, gain: float) -> None:
        self._graph, self._target, self._gain = graph, target, gain
        self._works = works(graph)
        self._changes = LayoutChanges(knowledge.operation("RESHAPE"), knowledge.operation("TRANSPOSE"))
        kinds = (value.type for value in graph.values if not value.is_constant)
        self._possible = frozenset(
            self._changes.of(kind) for kind in kinds if isinstance(kind, TensorType) and kind.rank in LAYOUT_RANKS
        )
        self._known: dict[tuple[frozenset[LayoutChange] | str | None, ...], Plan] = {}

    def plan(self, level: int, verdicts: Mapping[int, NodeVerdict]) -> Plan:
        """The plan for a level by its own verdicts."""
        possible = frozenset(change for change in self._possible if change.is_possible(level))
        key = (possible, *(verdict.way.name if verdict.way else None for verdict in verdicts.values()))
        if key not in self._known:
            verdicts, layout = self._laid_out(level, verdicts)
            parts = partition(self._graph, verdicts, layout, self._target, self._works, gain=self._gain)
            points = score(self._graph, verdicts, parts, self._works)
            readiness = readiness_of(self._graph, verdicts, parts, self._works)
            plan = Plan(level, level, verdicts, layout, parts, points, readiness)
            if parts.parts and not self._target.carries_cpu_ops:
                left = outside_one_model(self._graph, verdicts, layout, parts, self._target)
                plan = plan.kept_off(NOT_WHOLE, left) if left else plan
            self._known[key] = plan
        known = self._known[key]
        # A layout may have refused what its verdict did not.
        refused = {
            node: known.verdicts[node]
            for node, found in verdicts.items()
            if found.is_supported and not known.verdicts[node].is_supported
        }
        told = {**verdicts, **refused} if refused else verdicts
        return replace(known, level=level, planned_level=level, verdicts=told)

    def _laid_out(
        self, level: int, verdicts: Mapping[int, NodeVerdict]
    ) -> tuple[Mapping[int, NodeVerdict], LayoutPlan]:
        """A layout, with the verdicts that it leaves: it may not change inside what is lowered as a whole."""
        while True:
            layout = plan_layout(
                self._graph, verdicts, self._changes, level, gives_once=not self._target.carries_cpu_ops
            )
            cut = {node for node, plan in layout.nested() if plan.cuts}
            if not cut:
                return verdicts, layout
            told = {node: verdicts[node].refused((other_order(self._graph.by_id[node]),)) for node in cut}
            verdicts = with_insides(self._graph, {**verdicts, **told})

    def reached(self, plan: Plan) -> Plan:
        """The plan, or at a level that the target does not reach, one with nothing on NNAPI."""
        return plan if plan.level >= self._target.lowest_level else plan.kept_off(TOO_LOW)
