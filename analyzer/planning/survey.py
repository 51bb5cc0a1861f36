"""The whole answer about a graph: verdicts, layout, partition and score at every feature level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from nnapi_check.analyzer.collection import collection_paused
from nnapi_check.analyzer.graph import Graph, Node, TensorType
from nnapi_check.analyzer.judging.device_limits import Device, narrowed, planning_knowledge
from nnapi_check.analyzer.judging.judge import LEVELS, Judgement, Knowledge, NodeVerdict, judge
from nnapi_check.analyzer.planning.layout import LAYOUT_RANK, LayoutChange, LayoutChanges, LayoutPlan, plan_layout
from nnapi_check.analyzer.planning.partition import Partition, partition
from nnapi_check.analyzer.planning.score import Score, counts, score
from nnapi_check.analyzer.planning.work import WORTHWHILE
from nnapi_check.coverage_db.cards import Status
from nnapi_check.coverage_db.spec import Target


class Readiness(Enum):
    """The verdict on a whole model, in words."""

    READY = "ready"
    READY_WITH_FALLBACK = "ready with fallback"
    NOT_WORTHWHILE = "not worthwhile"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done at a feature level. ``planned_level`` is at most ``level``: a plan for a lower level that scores
    better is legal at a higher one, so a higher level never lowers the score. ``left`` are the nodes that NNAPI could
    run at ``level``, and that such a plan leaves to the CPU."""

    level: int
    planned_level: int
    verdicts: Mapping[int, NodeVerdict]
    layout: LayoutPlan
    partition: Partition
    score: Score
    readiness: Readiness
    left: frozenset[int] = frozenset()

    @property
    def unknown(self) -> tuple[NodeVerdict, ...]:
        """The verdicts of nodes that nothing is known of."""
        return tuple(verdict for verdict in self.verdicts.values() if verdict.status is Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Survey:
    """A judged graph with its plans, made when first asked for. Parts must gain ``gain`` times what they cost."""

    graph: Graph
    nodes: Mapping[int, Node]
    judgement: Judgement
    target: Target
    changes: LayoutChanges
    possible_changes: frozenset[LayoutChange]
    gain: float = WORTHWHILE
    _raw: dict[tuple[frozenset[LayoutChange] | str | None, ...], Plan] = field(default_factory=dict)
    _best: dict[int, Plan] = field(default_factory=dict)

    @collection_paused()
    def at(self, level: int) -> Plan:
        """The best plan for a feature level."""
        if level not in self._best:
            self._best[level] = self._chosen(level)
        return self._best[level]

    def lowest_ready_level(self) -> int | None:
        """The lowest feature level at which one part holds everything, or None."""
        return next((level for level in LEVELS if self.at(level).readiness is Readiness.READY), None)

    def _chosen(self, level: int) -> Plan:
        plan = self._planned(level)
        if level > LEVELS[0]:
            lower = self.at(level - 1)
            if lower.score.points > plan.score.points + 1e-9:
                return self._kept(lower, level, plan.verdicts)
        return plan

    def _kept(self, lower: Plan, level: int, verdicts: Mapping[int, NodeVerdict]) -> Plan:
        """A lower level's plan at a higher level: what it leaves to the CPU is told as it is at the higher level."""
        held = {node for part in (*lower.partition.parts, *lower.partition.dropped_parts) for node in part.nodes}
        told = {
            node: found if node in held or not counts(found) else verdicts[node]
            for node, found in lower.verdicts.items()
        }
        left = frozenset(
            node for node, found in told.items() if found.is_supported and not lower.verdicts[node].is_supported
        )
        return replace(lower, level=level, verdicts=told, left=left)

    def _planned(self, level: int) -> Plan:
        verdicts = self.judgement.at(level)
        possible = frozenset(change for change in self.possible_changes if change.is_possible(level))
        key = (possible, *(v.way.name if v.way else None for v in verdicts.values()))
        known = self._raw.get(key)
        if known is not None:
            return replace(known, level=level, verdicts=verdicts)
        layout = plan_layout(self.graph, self.nodes, verdicts, self.changes, level)
        parts = partition(self.graph, verdicts, layout, self.target, gain=self.gain)
        plan = Plan(
            level, level, verdicts, layout, parts, score(self.graph, verdicts, parts), _readiness(verdicts, parts)
        )
        self._raw[key] = plan
        return plan


@collection_paused()
def survey(
    graph: Graph, knowledge: Knowledge, target: Target, device: Device | None = None, *, gain: float = WORTHWHILE
) -> Survey:
    """Judge a graph for a target, and for one device where its profile is given. Linear in the number of nodes.

    With a ``gain`` of 0 every part that can run on NNAPI does, worthwhile or not.
    """
    judgement = judge(graph, knowledge, target)
    nodes = {node.id: node for node in graph.nodes()}
    if device is not None:
        judgement, knowledge = narrowed(judgement, nodes, device), planning_knowledge(knowledge, device)
    changes = LayoutChanges(knowledge.operation("RESHAPE"), knowledge.operation("TRANSPOSE"))
    kinds = (value.type for value in graph.values if not value.is_constant)
    possible = frozenset(
        changes.of(kind) for kind in kinds if isinstance(kind, TensorType) and kind.rank == LAYOUT_RANK
    )
    return Survey(graph, nodes, judgement, target, changes, possible, gain)


def _readiness(verdicts: Mapping[int, NodeVerdict], parts: Partition) -> Readiness:
    computing = {node for node, verdict in verdicts.items() if counts(verdict)}
    if computing and not any(verdicts[node].is_supported for node in computing):
        return Readiness.UNSUPPORTED
    if not parts.parts:
        return Readiness.NOT_WORTHWHILE
    if len(parts.parts) == 1 and computing <= set(parts.parts[0].nodes):
        return Readiness.READY
    return Readiness.READY_WITH_FALLBACK
