"""What is done with a graph at one feature level, and the verdict on it in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from nnapi_check.analyzer.equalization import Factors
from nnapi_check.analyzer.graph import Graph, SourcePosition
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.analyzer.planning.partition import DroppedPart, Partition
from nnapi_check.analyzer.planning.score import Loss, LossKind, Score, counts
from nnapi_check.coverage_db.cards import Status


class Readiness(Enum):
    """The verdict on a whole model, in words."""

    READY = "ready"
    READY_WITH_FALLBACK = "ready with fallback"
    NOT_WORTHWHILE = "not worthwhile"
    UNSUPPORTED = "unsupported"
    DOES_NOT_FIT = "does not fit the target"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of a thing: ``subject`` ``says``, with the place of the node where it is one."""

    subject: str
    says: str
    source: SourcePosition | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done at a feature level. ``planned_level`` is at most ``level``: a plan for a lower level that scores
    better is legal at a higher one, so a higher level never lowers the score. ``left`` are the nodes that NNAPI could
    run at ``level``, and that such a plan leaves to the CPU. ``outside`` says what one NNAPI model does not hold, where
    the target carries no more than one. ``factors`` are those of layers whose scales are equalized, by node."""

    level: int
    planned_level: int
    verdicts: Mapping[int, NodeVerdict]
    layout: LayoutPlan
    partition: Partition
    score: Score
    readiness: Readiness
    left: frozenset[int] = frozenset()
    outside: tuple[Claim, ...] = ()
    factors: Mapping[int, Factors] = field(default_factory=dict)

    def kept_off(self, reason: str, outside: tuple[Claim, ...] = ()) -> Plan:
        """This plan where the target carries none of its parts. ``reason`` is the code of why."""
        dropped = tuple(DroppedPart(part, reason) for part in self.partition.parts)
        parts = Partition((), (*self.partition.dropped, *dropped))
        lost = Score(0.0, (Loss(LossKind.TARGET, self.level, 100.0),))
        return replace(self, partition=parts, score=lost, readiness=Readiness.DOES_NOT_FIT, outside=outside)

    @property
    def unknown(self) -> tuple[NodeVerdict, ...]:
        """The verdicts of nodes that nothing is known of."""
        return tuple(verdict for verdict in self.verdicts.values() if verdict.status is Status.UNKNOWN)

    def kept_at(self, level: int, verdicts: Mapping[int, NodeVerdict]) -> Plan:
        """This plan at a higher level, for whose verdicts what it leaves to the CPU is told."""
        held = {node for part in (*self.partition.parts, *self.partition.dropped_parts) for node in part.nodes}
        told = {
            node: found if node in held or not counts(found) else verdicts[node]
            for node, found in self.verdicts.items()
        }
        left = frozenset(
            node for node, found in told.items() if found.is_supported and not self.verdicts[node].is_supported
        )
        return replace(self, level=level, verdicts=told, left=left)


def readiness_of(
    graph: Graph, verdicts: Mapping[int, NodeVerdict], parts: Partition, works: Mapping[int, int]
) -> Readiness:
    """The verdict on a whole model, where ``parts`` of it run on NNAPI, and its nodes have these ``works``.

    It is not worthwhile where no part is, and where the parts are likely to be slower than the CPU alone: an estimate.
    """
    computing = {node for node, verdict in verdicts.items() if counts(verdict)}
    if computing and not any(verdicts[node].is_supported for node in computing):
        return Readiness.UNSUPPORTED
    if not parts.parts:
        return Readiness.NOT_WORTHWHILE
    if len(parts.parts) == 1 and computing <= set(parts.parts[0].nodes):
        return Readiness.READY
    if parts.estimate(graph, works).is_slower:
        return Readiness.NOT_WORTHWHILE
    return Readiness.READY_WITH_FALLBACK
