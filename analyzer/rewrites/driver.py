"""Rewrites of a captured graph that make nodes acceptable without changing results.

A run of reshapes and permutations goes through tensors of rank 5 or more in many networks, although what it does to
the elements is a single permutation. Such a run becomes one node: an op of PyTorch that means the same, or one of
those below. Ids of nodes and values are kept, and a new node names the nodes that it ``covers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from nnapi_check.analyzer.graph import Argument, Block, Graph, Node, NodeOutput, Ref, TensorType, Value
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.contractions import CONTRACT, contraction_of
from nnapi_check.analyzer.rewrites.decomposed_attention import ATTENTION, attention_of
from nnapi_check.analyzer.rewrites.element_moves import Move, move_of
from nnapi_check.analyzer.rewrites.hard_activations import hard_activation_of
from nnapi_check.analyzer.rewrites.local_response import local_response_of
from nnapi_check.analyzer.rewrites.rearrangement import Rearrangement, RearrangementTracker
from nnapi_check.analyzer.rewrites.same_padding import same_padding_of
from nnapi_check.analyzer.rewrites.shuffles import shuffle_of
from nnapi_check.analyzer.rewrites.unread_outputs import synonym_of
from nnapi_check.analyzer.rewrites.window_mask import spread_of

REARRANGE = "nnapi_check.rearrange.default"
"""Reshape to ``shape_before``, permute to ``order``, reshape to ``shape_after``."""

REARRANGE_PARTS = "nnapi_check.rearrange_parts.default"
"""The input as [``outer``, ``count``, ``inner``]: each place of the middle in ``indices``, rearranged by itself."""

ADD_SPREAD = "nnapi_check.add_spread.default"
"""The sum with a constant that broadcasts to ``wide``, a reshape of the input: expanded and reshaped to ``shape``."""

LOCAL_RESPONSE = "nnapi_check.local_response_norm.default"
"""The input over (``k`` + ``alpha`` * the mean of squares over ``size`` channels) to the power of ``beta``."""

LONGEST_RUN = 8


def rewrite(graph: Graph) -> Graph:
    """The graph with every rewrite applied; the same graph where there is nothing to do. Linear in its nodes."""
    rewriter = _Rewriter(graph)
    body = rewriter.block(graph.body)
    return graph if body is graph.body else replace(graph, values=rewriter.values(), body=body)


class _Rewriter:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._readers = _readers(graph)
        self._made_by: dict[int, NodeOutput] = {}

    def values(self) -> tuple[Value, ...]:
        """The graph's values, with the origin of those that another node makes now."""
        values = list(self._graph.values)
        for value, origin in self._made_by.items():
            values[value] = replace(values[value], origin=origin)
        return tuple(values)

    def block(self, block: Block) -> Block:
        """A block with its runs replaced, and those of the blocks inside it."""
        nodes = [self._with_inner(node) for node in block.nodes]
        local = {node.id: node for node in nodes}
        made: dict[int, Node] = {}
        covered: set[int] = set()
        for node in nodes:
            new = None if node.id in covered else self._replacement(node, local)
            if new is not None and covered.isdisjoint(new.covers):
                made[new.id] = new
                covered.update(new.covers)
        if not made and all(new is old for new, old in zip(nodes, block.nodes, strict=True)):
            return block
        kept = (made.get(node.id, node) for node in nodes if node.id in made or node.id not in covered)
        return replace(block, nodes=tuple(kept))

    def _with_inner(self, node: Node) -> Node:
        blocks = tuple(self.block(block) for block in node.blocks)
        is_same = all(new is old for new, old in zip(blocks, node.blocks, strict=True))
        return node if is_same else replace(node, blocks=blocks)

    def _replacement(self, first: Node, local: Mapping[int, Node]) -> Node | None:
        """The node that stands for ``first``, or for a run of nodes from it on, if one can."""
        synonym = synonym_of(first, self._graph, lambda value: bool(self._readers[value]))
        if synonym is not None:
            return synonym
        contraction = contraction_of(first, self._graph)
        if contraction is not None:
            return replace(first, op=CONTRACT, arguments=contraction, covers=(first.id,))
        response = local_response_of(first, self._graph, lambda value: self._only_reader(value, local))
        if response is not None:
            covers = tuple(node.id for node in response.nodes)
            return replace(response.nodes[-1], op=LOCAL_RESPONSE, arguments=response.arguments, covers=covers)
        activation = hard_activation_of(first, self._graph, lambda value: self._only_reader(value, local))
        if activation is not None:
            covers = tuple(node.id for node in activation.nodes)
            return replace(activation.nodes[-1], op=activation.op, arguments=activation.arguments, covers=covers)
        padded = same_padding_of(first, self._graph, lambda value: self._only_reader(value, local))
        if padded is not None:
            covers = tuple(node.id for node in padded.nodes)
            return replace(padded.nodes[-1], op=padded.op, arguments=padded.arguments, covers=covers)
        attention = attention_of(first, self._graph, local, self._readers)
        if attention is not None:
            covers = tuple(sorted(node.id for node in attention.nodes))
            return replace(attention.nodes[-1], op=ATTENTION, arguments=attention.arguments, covers=covers)
        run = self._run(first, local)
        if not run:
            return None
        tracker = RearrangementTracker(self._shape(run[0].source))
        followed = [tracker.found() for move in takewhile(lambda move: _follow(tracker, move), run)]
        if not followed:
            return None
        run = run[: len(followed)]
        return (
            self._shuffle(run, followed)
            or self._rearrangement(run, followed)
            or self._parts(run, tracker, local)
            or self._addition(run, local)
        )

    def _run(self, first: Node, local: Mapping[int, Node]) -> list[Move]:
        """Moves from ``first`` on, each the only reader of the one before."""
        run: list[Move] = []
        node: Node | None = first
        while node is not None and len(run) < LONGEST_RUN:
            move = move_of(node, self._graph)
            if move is None:
                break
            run.append(move)
            node = self._only_reader(move.result, local)
        return run

    def _shuffle(self, run: Sequence[Move], followed: Sequence[Rearrangement]) -> Node | None:
        shape = self._shape(run[0].source)
        for count in range(len(run), 1, -1):
            shuffle = shuffle_of(shape, followed[count - 1])
            if shuffle is not None:
                return _standing_for(run[:count], shuffle.op, shuffle.arguments)
        return None

    def _rearrangement(self, run: Sequence[Move], followed: Sequence[Rearrangement]) -> Node | None:
        """A run from a tensor of rank 4 at most, through higher ranks, to the first one of such a rank again."""
        if len(self._shape(run[0].source)) > MAX_RANK or len(run[0].shape) <= MAX_RANK:
            return None
        count = next((count for count, move in enumerate(run, start=1) if len(move.shape) <= MAX_RANK), None)
        if count is None:
            return None
        found = followed[count - 1]
        arguments = {"shape_before": found.before, "order": found.order, "shape_after": found.after}
        return _standing_for(run[:count], REARRANGE, arguments)

    def _parts(self, run: Sequence[Move], tracker: RearrangementTracker, local: Mapping[int, Node]) -> Node | None:
        """A run to a tensor of rank 5, of which nothing but places of one dimension is read."""
        if len(self._shape(run[0].source)) > MAX_RANK or any(len(move.shape) <= MAX_RANK for move in run):
            return None
        rank = len(run[-1].shape)
        readers = [local.get(reader) for reader in self._readers[run[-1].result]]
        picked = [_picked(node, run[-1].shape) for node in readers if node is not None]
        places = [item for item in picked if item is not None]
        if rank != MAX_RANK + 1 or not places or len(places) < len(readers) or len({axis for axis, _ in places}) != 1:
            return None
        axis = places[0][0]
        seen = tracker.alone(axis)
        if seen is None:
            return None
        nodes = [node for node in readers if node is not None]
        outputs = [value for node in nodes for value in node.outputs]
        found = tracker.without(axis)
        node = replace(
            nodes[0],
            op=REARRANGE_PARTS,
            arguments={
                "self": Ref(run[0].source),
                **dict(zip(("outer", "count", "inner"), seen, strict=True)),
                "indices": tuple(index for _, indices in places for index in indices),
                "shape_before": found.before,
                "order": found.order,
                "shape_after": found.after,
            },
            outputs=tuple(outputs),
            covers=tuple(sorted({move.node.id for move in run} | {item.id for item in nodes})),
        )
        self._made_by.update({value: NodeOutput(node.id, place) for place, value in enumerate(outputs)})
        return node

    def _addition(self, run: Sequence[Move], local: Mapping[int, Node]) -> Node | None:
        """A reshape to a higher rank, the sum with a constant there, and a reshape back."""
        shape, wide = self._shape(run[0].source), run[-1].shape
        if len(wide) <= MAX_RANK or any(move.order is not None for move in run):
            return None
        addition = self._only_reader(run[-1].result, local)
        if addition is None or addition.op != "aten.add.Tensor" or addition.arguments["alpha"] != 1:
            return None
        first, other = addition.arguments["self"], addition.arguments["other"]
        if (
            first != Ref(run[-1].result)
            or not isinstance(other, Ref)
            or not self._graph.values[other.value].is_constant
        ):
            return None
        last = self._only_reader(addition.outputs[0], local)
        back = None if last is None else move_of(last, self._graph)
        spread = spread_of(self._shape(other.value), wide, shape)
        if back is None or back.order is not None or back.shape != shape or spread is None:
            return None
        arguments: dict[str, Argument] = {"other": other, "wide": wide, "expanded": spread.wide, "shape": spread.narrow}
        made = _standing_for([*run, back], ADD_SPREAD, arguments)
        return replace(made, covers=tuple(sorted((*made.covers, addition.id))))

    def _only_reader(self, value: int, local: Mapping[int, Node]) -> Node | None:
        """The node of the same block that alone reads a value."""
        readers = self._readers[value]
        return local.get(readers[0]) if len(readers) == 1 else None

    def _shape(self, value: int) -> tuple[int, ...]:
        kind = self._graph.type_of(value)
        return kind.shape if isinstance(kind, TensorType) else ()


def _follow(tracker: RearrangementTracker, move: Move) -> bool:
    """Let the tracker take a move; False where it cannot."""
    if move.order is not None:
        tracker.permute(move.order)
        return True
    return tracker.reshape(move.shape)


def _standing_for(run: Sequence[Move], op: str, arguments: Mapping[str, Argument]) -> Node:
    """One node in the place of a run's last."""
    return replace(
        run[-1].node,
        op=op,
        arguments={"self": Ref(run[0].source), **arguments},
        covers=tuple(move.node.id for move in run),
    )


def _picked(node: Node, shape: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """The dimension and the places of it that a node picks, one for each of its outputs."""
    dim, index = node.arguments.get("dim"), node.arguments.get("index")
    if not isinstance(dim, int) or node.is_constant:
        return None
    axis = dim % len(shape)
    if node.op == "aten.unbind.int":
        return axis, tuple(range(shape[axis]))
    if node.op == "aten.select.int" and isinstance(index, int):
        return axis, (index % shape[axis],)
    return None


def _readers(graph: Graph) -> dict[int, list[int]]:
    """The ids of the nodes that read each value, once for each time; -1 stands for the outputs of a block."""
    found: dict[int, list[int]] = {value.id: [] for value in graph.values}
    for value in graph.body.outputs:
        found[value].append(-1)
    for node in graph.nodes():
        for value in node.inputs():
            found[value].append(node.id)
        for block in node.blocks:
            for value in block.outputs:
                found[value].append(-1)
    return found
