"""Which supported nodes become one NNAPI model each: connected parts without cycles, in every block.

Nodes get a *stage*: the number of times a path from the inputs must change sides, or cross a cut, to reach them.
Nodes of one stage cannot depend on each other through a node of the other side, so every connected group of a
stage is a part that can run as one piece. A group may wait for what reads it: where that is a group of a later stage,
and nothing on the other side keeps it from that, both are one. One pass is linear in the number of nodes. Where a value
that the target does not carry would enter a part or leave it, the nodes that meet at such values stay on the CPU, and
the rest is grouped once more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain

from nnapi_check.analyzer.graph import Block, Graph, Node, NodeOutput, Reader, TensorType, read_values, readers_of
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.nnapi_types import operand_type
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.analyzer.planning.work import stored_bytes
from nnapi_check.analyzer.planning.worth import WORTHWHILE, Estimate, estimate, least_cost
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.targets import Target

TOO_SMALL = "NNC901"
"""The reason code of parts whose work is not worth what their transfers cost."""

NOT_CARRIED = "NNC902"
"""That of nodes between which, and the CPU, a value would go that the target does not carry."""


@dataclass(frozen=True, slots=True)
class Part:
    """Nodes that become one NNAPI model, with what crosses its boundary, in order of value id.

    ``work`` is in operations of arithmetic, ``crossing_bytes`` those of what crosses.
    """

    index: int
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    work: int
    crossing_bytes: int

    def is_worthwhile(self, gain: float = WORTHWHILE) -> bool:
        """Whether the part's work is at least ``gain`` times the least that its transfers cost."""
        return self.work >= gain * least_cost(len(self.inputs) + len(self.outputs), self.crossing_bytes)


@dataclass(frozen=True, slots=True)
class DroppedPart:
    """A part that stays on the CPU although every node of it could run on NNAPI, and the code of the reason.

    ``value`` is the one that cannot cross the boundary, where that is the reason.
    """

    part: Part
    reason: str
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """The parts of a graph that become NNAPI models, and those that are left to the CPU."""

    parts: tuple[Part, ...]
    dropped: tuple[DroppedPart, ...]

    @property
    def dropped_parts(self) -> tuple[Part, ...]:
        """The parts that are left to the CPU, whatever for."""
        return tuple(found.part for found in self.dropped)

    def part_of(self) -> dict[int, int]:
        """The index of the part that holds a node, by node id."""
        return {node: part.index for part in self.parts for node in part.nodes}

    def estimate(self, graph: Graph, works: Mapping[int, int]) -> Estimate:
        """What a call of the graph, whose nodes have these ``works``, is likely to take with these parts on NNAPI."""
        return estimate(
            work=sum(works[node.id] for node in graph.nodes() if not node.is_constant),
            inside=sum(part.work for part in self.parts),
            calls=len(self.parts),
            crossing_bytes=sum(part.crossing_bytes for part in self.parts),
        )


def partition(
    graph: Graph,
    verdicts: Mapping[int, NodeVerdict],
    layout: LayoutPlan,
    target: Target,
    works: Mapping[int, int],
    *,
    gain: float = WORTHWHILE,
) -> Partition:
    """Group the supported nodes of every block into parts, and drop the parts whose work is not ``gain`` times what
    their transfers cost. ``works`` are those of all nodes.

    A part that holds every node of the graph is kept however small it is: there is nothing to go back to. Where the
    target carries one model alone, nodes that nothing connects are one part too.
    """
    supported = {id_ for id_, verdict in verdicts.items() if verdict.is_supported}
    whole = {node.id for node in graph.holders if node.id in supported}
    outside = readers_of(graph, whole=whole, with_constants=False)
    dropped: list[DroppedPart] = []
    while True:
        groups: list[tuple[Node, ...]] = []
        for block in _blocks(graph.body, whole):
            groups.extend(connected_groups(block, graph, supported, layout, is_one=not target.carries_cpu_ops))
        parts = [_part(0, group, graph, outside, works) for group in groups]
        barred = {
            value for part in parts for value in (*part.inputs, *part.outputs) if not crosses(graph, value, target)
        }
        if not barred:
            break
        for value, nodes in _meeting(barred, groups, graph, target):
            dropped.append(DroppedPart(_part(0, nodes, graph, outside, works), NOT_CARRIED, value))
            supported.difference_update(node.id for node in nodes)
    judged = sum(1 for verdict in verdicts.values() if not _moves_nothing(verdict))
    kept: list[Part] = []
    for part in parts:
        computing = sum(1 for node in part.nodes if not _moves_nothing(verdicts[node]))
        if computing == 0 or not part.inputs or not part.outputs:
            continue
        if part.is_worthwhile(gain) or computing == judged:
            kept.append(replace(part, index=len(kept)))
        else:
            dropped.append(DroppedPart(part, TOO_SMALL))
    return Partition(tuple(kept), tuple(dropped))


def _meeting(
    barred: Set[int], groups: Sequence[Sequence[Node]], graph: Graph, target: Target
) -> Iterator[tuple[int, list[Node]]]:
    """The grouped nodes that meet at each of these values, or at others that the target does not carry either.

    Every value is at the boundary of a group, so that there is a node for it, or one that met another value as well.
    """
    touching: dict[int, dict[int, Node]] = {}
    touched: dict[int, list[int]] = {}
    for node in chain.from_iterable(groups):
        for value in (*read_values(node), *node.outputs):
            is_needed = value in barred or not graph.values[value].is_constant
            if is_needed and not crosses(graph, value, target):
                touching.setdefault(value, {})[node.id] = node
                touched.setdefault(node.id, []).append(value)
    for first in sorted(barred):
        found: dict[int, Node] = {}
        waiting = [first]
        while waiting:
            for id_, node in touching.pop(waiting.pop(), {}).items():
                found[id_] = node
                waiting += touched[id_]
        if found:
            yield first, [found[id_] for id_ in sorted(found)]


def _moves_nothing(verdict: NodeVerdict) -> bool:
    return verdict.way is not None and not verdict.way.emits


def _blocks(block: Block, whole: Collection[int]) -> list[Block]:
    """A block and all inside it, but for those of nodes that are lowered as a whole."""
    found = [block]
    for current in found:
        found.extend(inner for node in current.nodes if node.id not in whole for inner in node.blocks)
    return found


def connected_groups(
    block: Block, graph: Graph, supported: Set[int], layout: LayoutPlan, *, is_one: bool
) -> list[tuple[Node, ...]]:
    """The supported nodes of a block by what connects them, or with ``is_one`` by their stage alone."""
    edges = _edges(block, graph, supported, layout)
    stages = _stages(edges, supported)
    leader = {node: node for node in edges}
    nodes = [node for node in block.nodes if node.id in supported]
    if is_one:
        by_stage: dict[int, list[Node]] = {}
        for node in nodes:
            by_stage.setdefault(stages[node.id], []).append(node)
        return [tuple(group) for group in by_stage.values()]
    for before, after in edges.items():
        for edge in after:
            if edge.joins and stages[edge.reader] == stages[before]:
                leader[_find(leader, edge.reader)] = _find(leader, before)
    _wait_for_readers(leader, stages, supported, edges)
    groups: dict[int, list[Node]] = {}
    for node in nodes:
        groups.setdefault(_find(leader, node.id), []).append(node)
    return [tuple(group) for group in groups.values()]


@dataclass(frozen=True, slots=True)
class _Edge:
    """What comes after a node: another one, by how many stages at least, and whether both may be in one part."""

    reader: int
    stages: int
    joins: bool


def _edges(block: Block, graph: Graph, supported: Set[int], layout: LayoutPlan) -> dict[int, list[_Edge]]:
    """What comes after each node of a block that depends on an input, in execution order."""
    found: dict[int, list[_Edge]] = {node.id: [] for node in block.nodes if not node.is_constant}
    for node in block.nodes:
        if node.id not in found:
            continue
        on_nnapi = node.id in supported
        for value in read_values(node):
            origin = graph.values[value].origin
            if isinstance(origin, NodeOutput) and origin.node in found:
                crosses = (origin.node in supported) != on_nnapi
                is_cut = (node.id, value) in layout.cuts
                apart = 1 if crosses else 2 if is_cut else 0
                found[origin.node].append(_Edge(node.id, apart, on_nnapi and apart == 0))
        for other in node.follows:
            if other in found:
                found[other].append(_Edge(node.id, int((other in supported) != on_nnapi), joins=False))
    return found


def _stages(edges: Mapping[int, Sequence[_Edge]], supported: Set[int]) -> dict[int, int]:
    """Even stages run on the CPU, odd ones on NNAPI. A stage never decreases along an edge."""
    stages = {node: int(node in supported) for node in edges}
    for node, after in edges.items():
        for edge in after:
            stages[edge.reader] = max(stages[edge.reader], stages[node] + edge.stages)
    return stages


def _wait_for_readers(
    leader: dict[int, int], stages: dict[int, int], supported: Set[int], edges: Mapping[int, Sequence[_Edge]]
) -> None:
    """Put each group into the stage of a group that reads it, where all else that reads it comes as late.

    Nodes on the CPU, and groups that no other could wait for, come as late as they may, last ones first: they keep no
    group from waiting then.
    """
    groups: dict[int, list[int]] = {}
    for node in stages:
        groups.setdefault(_find(leader, node), []).append(node)
    awaited = {
        _find(leader, edge.reader)
        for node, after in edges.items()
        for edge in after
        if edge.joins and _find(leader, edge.reader) != _find(leader, node)
    }
    # What nothing reads comes after everything.
    last = max(stages.values(), default=0) // 2 * 2 + 2
    for group in sorted(groups.values(), key=lambda group: (-stages[group[0]], -group[0])):
        first, on_nnapi = _find(leader, group[0]), group[0] in supported
        after = [edge for node in group for edge in edges[node] if _find(leader, edge.reader) != first]
        latest = min((stages[edge.reader] - edge.stages for edge in after), default=last + on_nnapi)
        readers = [edge.reader for edge in after if edge.joins and stages[edge.reader] == latest]
        if readers or not on_nnapi or first not in awaited:
            stages.update(dict.fromkeys(group, latest))
        for reader in readers:
            leader[_find(leader, reader)] = _find(leader, first)


def _find(leader: dict[int, int], node: int) -> int:
    while leader[node] != node:
        leader[node] = leader[leader[node]]
        node = leader[node]
    return node


def _part(
    index: int,
    group: Sequence[Node],
    graph: Graph,
    readers: Mapping[int, Sequence[Reader]],
    works: Mapping[int, int],
) -> Part:
    members = tuple(_with_inside(group))
    ids = {node.id for node in members}
    made = {value for node in group for value in node.outputs}
    read = {value for node in group for value in read_values(node) if not graph.values[value].is_constant}
    inputs = tuple(sorted(read - made))
    outputs = tuple(sorted(value for value in made if not ids.issuperset(readers[value])))
    return Part(
        index=index,
        nodes=tuple(node.id for node in members),
        inputs=inputs,
        outputs=outputs,
        work=sum(works[node.id] for node in members),
        crossing_bytes=stored_bytes(graph, (*inputs, *outputs)),
    )


def _with_inside(group: Sequence[Node]) -> Iterator[Node]:
    """The nodes of a group, each with those inside it that depend on an input."""
    for node in group:
        yield node
        for block in node.blocks:
            yield from (inner for inner in block.inner_nodes() if not inner.is_constant)


def crosses(graph: Graph, value: int, target: Target) -> bool:
    """Whether the target's loader carries such a value into a model and out of it."""
    kind = graph.values[value].type
    found: OperandType | None = operand_type(kind) if isinstance(kind, TensorType) else None
    return found is not None and found in target.input_types
