"""The score of a plan: 100 when one NNAPI model holds everything exactly, with every lost point attributed.

Of 100 points, 90 are lost to nodes that stay on the CPU (seven tenths by their share of the work, three tenths
by their number), at most 9 to values that cross boundaries between parts and the CPU, and at most 1 to approximations.
Work on quantized tensors that a part does in floats loses half of what its share of the work would lose on the CPU.
A plan without a part scores 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.planning.partition import Partition
from nnapi_check.coverage_db.cards import Status

NODE_POINTS = 90.0
BOUNDARY_POINTS = 9.0
APPROXIMATION_POINTS = 1.0
WORK_SHARE = 0.7

IN_FLOATS_SHARE = 0.5
"""What integer work in floats loses, of what it would on the CPU. A model is quantized for units that compute
integers. Where a phone has no others, such work comes back to the CPU after all, and all is lost; where it has others,
the work is off the CPU, and nothing is. Which phone it will be is not known, so half is lost."""


class LossKind(Enum):
    """What a lost point is attributed to."""

    NODE = "node"
    BOUNDARY = "boundary"
    APPROXIMATION = "approximation"
    IN_FLOATS = "in floats"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Loss:
    """Points lost to one node (its id), to one value that crosses a boundary (its id), or to a target that does not
    carry the model (the level that was planned)."""

    kind: LossKind
    id: int
    points: float


@dataclass(frozen=True, slots=True)
class Score:
    """A number from 0 to 100 and the losses, largest first, that sum to 100 minus it."""

    points: float
    losses: tuple[Loss, ...]


def score(graph: Graph, verdicts: Mapping[int, NodeVerdict], partition: Partition, works: Mapping[int, int]) -> Score:
    """Score a partition of a judged graph, whose nodes have these ``works``. Linear in the number of nodes."""
    # What computes nothing weighs nothing.
    work = {node: works[node] for node in sorted(verdicts) if counts(verdicts[node])}
    weights = _weights(work)
    lost = list(_lost(graph, verdicts, partition, weights) if partition.parts else _all_lost(graph, weights))
    lost += _in_floats(verdicts, partition, work)
    losses = tuple(sorted(lost, key=lambda loss: (-loss.points, loss.kind.value, loss.id)))
    points = max(0.0, 100.0 - sum(loss.points for loss in losses)) if partition.parts else 0.0
    return Score(points, losses)


def _lost(
    graph: Graph, verdicts: Mapping[int, NodeVerdict], partition: Partition, weights: Mapping[int, float]
) -> Iterator[Loss]:
    on_nnapi = partition.part_of()
    for node, weight in weights.items():
        if node not in on_nnapi:
            yield Loss(LossKind.NODE, node, NODE_POINTS * weight)
    yield from _shared(LossKind.BOUNDARY, sorted(_crossings(graph, partition)), BOUNDARY_POINTS)
    approximate = sorted(node for node in on_nnapi if verdicts[node].status is Status.APPROXIMATE)
    yield from _shared(LossKind.APPROXIMATION, approximate, APPROXIMATION_POINTS)


def _all_lost(graph: Graph, weights: Mapping[int, float]) -> Iterator[Loss]:
    """Every point, by the nodes' weights; of a graph that computes nothing, by what it hands on."""
    if weights:
        rest = (100.0 - NODE_POINTS) / len(weights)
        yield from (Loss(LossKind.NODE, node, NODE_POINTS * weight + rest) for node, weight in weights.items())
        return
    ends = sorted(set(graph.body.outputs or graph.body.inputs))
    yield from (Loss(LossKind.BOUNDARY, value, 100.0 / len(ends)) for value in ends)


def _in_floats(verdicts: Mapping[int, NodeVerdict], partition: Partition, work: Mapping[int, int]) -> Iterator[Loss]:
    """What nodes of parts lose that PyTorch computes on quantized tensors, and NNAPI in floats."""
    total = sum(work.values())
    for node in sorted(partition.part_of()):
        if verdicts[node].in_floats and work.get(node):
            yield Loss(LossKind.IN_FLOATS, node, IN_FLOATS_SHARE * NODE_POINTS * WORK_SHARE * work[node] / total)


def _weights(work: Mapping[int, int]) -> dict[int, float]:
    """Each node's share of the whole. The shares sum to 1."""
    total = sum(work.values())
    if not total:
        return {node: 1 / len(work) for node in work}
    return {node: WORK_SHARE * found / total + (1 - WORK_SHARE) / len(work) for node, found in work.items()}


def counts(verdict: NodeVerdict) -> bool:
    """Whether a node weighs anything: one whose way emits nothing (dropout in evaluation) does not."""
    return verdict.way is None or bool(verdict.way.emits)


def _crossings(graph: Graph, partition: Partition) -> set[int]:
    """Values that go from a part to the CPU or another part, graph inputs and outputs left out, and one of each further
    part at least: a second model costs a second execution, even where nothing passes between the two."""
    made = {value for part in partition.parts for value in part.outputs}
    read = {value for part in partition.parts for value in part.inputs}
    ends = set(graph.body.inputs) | set(graph.body.outputs)
    return ((made | read) - ends) | {part.outputs[0] for part in partition.parts[1:]}


def _shared(kind: LossKind, ids: list[int], points: float) -> list[Loss]:
    """The first causes cost most: n of them cost ``points * n / (n + 4)`` together, each the same."""
    return [Loss(kind, id_, points / (len(ids) + 4)) for id_ in ids]
