"""Rewrites of a captured graph that make nodes acceptable without changing results: the table, and its application.

A run of nodes that means one op becomes one node: an op of PyTorch that means the same, or one of those that the
rewrites name (``nnapi_check.…``). Ids of nodes and values are kept, and a new node names the nodes that it ``covers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from nnapi_check.analyzer.graph import Block, Graph, Node, NodeOutput, Value, readers_of
from nnapi_check.analyzer.rewrites.borders import CIRCULAR_BORDER, JOINED_BORDERS
from nnapi_check.analyzer.rewrites.contractions import CONTRACTION
from nnapi_check.analyzer.rewrites.decomposed_attention import DECOMPOSED_ATTENTION
from nnapi_check.analyzer.rewrites.dynamic_layers import DYNAMIC
from nnapi_check.analyzer.rewrites.hard_activations import HARD_ACTIVATION
from nnapi_check.analyzer.rewrites.local_response import LOCAL_RESPONSE_NORM
from nnapi_check.analyzer.rewrites.rewrite import KnownOps, Match, Miss, NearMiss, Rewrite, Surroundings
from nnapi_check.analyzer.rewrites.rounded_ops import ROUNDED_MOVE, ROUNDED_OP
from nnapi_check.analyzer.rewrites.row_pooling import ROW_POOLING
from nnapi_check.analyzer.rewrites.runs.image_shuffles import IMAGE_SHUFFLE
from nnapi_check.analyzer.rewrites.runs.rearranged_parts import REARRANGED_PARTS
from nnapi_check.analyzer.rewrites.runs.rearranged_runs import REARRANGED_RUN
from nnapi_check.analyzer.rewrites.runs.spread_additions import SPREAD_ADDITION
from nnapi_check.analyzer.rewrites.same_padding import SAME_PADDING
from nnapi_check.analyzer.rewrites.undone_reshapes import UNDONE_RESHAPE
from nnapi_check.analyzer.rewrites.unread_outputs import UNREAD_OUTPUTS

REWRITES: tuple[Rewrite, ...] = (
    UNREAD_OUTPUTS,
    DYNAMIC,
    ROUNDED_OP,
    ROUNDED_MOVE,
    CONTRACTION,
    LOCAL_RESPONSE_NORM,
    HARD_ACTIVATION,
    SAME_PADDING,
    JOINED_BORDERS,
    CIRCULAR_BORDER,
    ROW_POOLING,
    DECOMPOSED_ATTENTION,
    IMAGE_SHUFFLE,
    REARRANGED_RUN,
    REARRANGED_PARTS,
    SPREAD_ADDITION,
    UNDONE_RESHAPE,
)
"""Every rewrite, in the order in which they are tried on a node."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a rewrite found in a graph."""

    rewrite: Rewrite
    match: Match


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A graph with every rewrite applied, what was, and what almost could have been."""

    graph: Graph
    applied: tuple[Applied, ...]
    near_misses: tuple[NearMiss, ...]


def rewrite(graph: Graph, known: KnownOps) -> Rewritten:
    """Apply every rewrite; the graph is the same where there is nothing to do. Linear in its nodes.

    ``known`` is what cards say of ops.
    """
    rewriter = _Rewriter(graph, known)
    body = rewriter.block(graph.body)
    if body is graph.body:
        return Rewritten(graph, (), tuple(rewriter.near_misses))
    made = rewriter.without_unread(replace(graph, values=rewriter.values(), body=body))
    there = {node.id for node in made.nodes()}
    applied = tuple(found for found in rewriter.applied if found.match.at.id in there)
    return Rewritten(made, applied, tuple(rewriter.near_misses))


def _by_op(known: KnownOps) -> Mapping[str, Sequence[Rewrite]]:
    """The rewrites that may begin with an op, in order."""
    found: dict[str, list[Rewrite]] = {}
    for rewrite in REWRITES:
        for op in rewrite.begins_with(known):
            found.setdefault(op, []).append(rewrite)
    return found


class _Rewriter:
    def __init__(self, graph: Graph, known: KnownOps) -> None:
        self._graph = graph
        self._known = known
        self._by_op = _by_op(known)
        self._readers = readers_of(graph)
        self.applied: list[Applied] = []
        self.near_misses: list[NearMiss] = []

    def values(self) -> tuple[Value, ...]:
        """The graph's values, with the origin of those that another node makes now."""
        values = list(self._graph.values)
        for applied in self.applied:
            for place, value in enumerate(applied.match.outputs):
                origin = NodeOutput(applied.match.at.id, place)
                if values[value].origin != origin:
                    values[value] = replace(values[value], origin=origin)
        return tuple(values)

    def block(self, block: Block) -> Block:
        """A block with what is found in it replaced, and in the blocks inside it."""
        nodes = [self._with_inner(node) for node in block.nodes]
        around = Surroundings(self._graph, {node.id: node for node in nodes}, self._readers, self._known)
        made: dict[int, Node] = {}
        covered: set[int] = set()
        unmade: set[int] = set()
        near: dict[int, NearMiss] = {}
        for node in nodes:
            found = None if node.id in covered else self._found(node, around, near)
            if found is None or not covered.isdisjoint(item.id for item in found.match.nodes):
                continue
            match, new = found.match, found.match.made()
            # What it reads may be in the middle of what became one node already.
            if unmade.isdisjoint(new.inputs()):
                made[match.at.id] = new
                covered.update(item.id for item in match.nodes)
                unmade.update(value for item in match.nodes for value in item.outputs if value not in match.outputs)
                self.applied.append(found)
        # What became part of something else was not meant to be this.
        self.near_misses.extend(miss for first, miss in near.items() if first not in covered)
        if not made and all(new is old for new, old in zip(nodes, block.nodes, strict=True)):
            return block
        kept = (made.get(node.id, node) for node in nodes if node.id in made or node.id not in covered)
        return replace(block, nodes=tuple(kept))

    def without_unread(self, graph: Graph) -> Graph:
        """The rewritten graph without what nothing reads any more: nodes that only move elements, or that were made."""
        made = {found.match.at.id for found in self.applied}
        reads = {value: len(readers) for value, readers in readers_of(graph).items()}
        followed = {node for item in graph.nodes() for node in item.follows}
        unread: set[int] = set()
        for node in reversed(list(graph.nodes())):
            is_pure = node.op in self._known.moves or node.id in made
            if node.is_constant or node.follows or node.id in followed or not is_pure:
                continue
            if not any(reads[value] or not self._readers[value] for value in node.outputs):
                unread.add(node.id)
                for value in node.inputs():
                    reads[value] -= 1
        return replace(graph, body=_without(unread, graph.body)) if unread else graph

    def _with_inner(self, node: Node) -> Node:
        blocks = tuple(self.block(block) for block in node.blocks)
        is_same = all(new is old for new, old in zip(blocks, node.blocks, strict=True))
        return node if is_same else replace(node, blocks=blocks)

    def _found(self, first: Node, around: Surroundings, near: dict[int, NearMiss]) -> Applied | None:
        """The first rewrite that ``first`` begins, if one does; else ``near`` gets the one that it comes nearest to."""
        for rewrite in () if first.is_constant else self._by_op.get(first.op, ()):
            match found := rewrite.match(first, around):
                case Match():
                    return Applied(rewrite, found)
                case Miss():
                    known = near.get(first.id)
                    if known is None or known.miss.matched < found.matched:
                        near[first.id] = NearMiss(rewrite, found)
                case None:
                    pass
        return None


def _without(nodes: Set[int], block: Block) -> Block:
    kept = [node for node in block.nodes if node.id not in nodes]
    inner = (tuple(_without(nodes, block) for block in node.blocks) for node in kept)
    return replace(block, nodes=tuple(replace(node, blocks=own) for node, own in zip(kept, inner, strict=True)))
