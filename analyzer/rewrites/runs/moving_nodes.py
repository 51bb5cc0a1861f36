"""Nodes that only move the elements of one tensor: as a reshape, or as a permutation of dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from nnapi_check.analyzer.graph import Node, Ref, TensorType, is_ints
from nnapi_check.analyzer.rewrites.rewrite import Surroundings
from nnapi_check.coverage_db.cards import Movement

_SLICE = "aten.slice.Tensor"


@dataclass(frozen=True, slots=True)
class Move:
    """A node that moves the elements of value ``source``: to ``shape``, by ``order`` where it permutes dimensions."""

    node: Node
    source: int
    shape: tuple[int, ...]
    order: tuple[int, ...] | None

    @property
    def result(self) -> int:
        """The value that the node makes."""
        return self.node.outputs[0]


def move_of(node: Node, around: Surroundings) -> Move | None:
    """What a node moves, where that is all it does and every shape is known."""
    movement, graph = around.known.moves.get(node.op), around.graph
    is_slice = node.op == _SLICE
    if movement is None and not is_slice:
        return None
    source = node.arguments.get("self")
    if node.is_constant or len(node.outputs) != 1 or not isinstance(source, Ref):
        return None
    before, after = graph.type_of(source.value), graph.type_of(node.outputs[0])
    if not isinstance(before, TensorType) or not isinstance(after, TensorType) or not before.numel:
        return None
    if node.inputs() != (source.value,):
        return None
    if is_slice:
        # ``x[:, 0]`` takes every row first.
        return Move(node, source.value, after.shape, None) if (node.arguments["step"], after) == (1, before) else None
    if movement is Movement.RESHAPE:
        return Move(node, source.value, after.shape, None)
    order = _order(node, before.rank)
    return None if order is None else Move(node, source.value, after.shape, order)


def _order(node: Node, rank: int) -> tuple[int, ...] | None:
    order = list(range(rank))
    match node.op:
        case "aten.permute.default":
            dims = _ints(node, "dims")
            return None if dims is None else tuple(dim % rank for dim in dims)
        case "aten.transpose.int":
            pair = _ints(node, "dim0", "dim1")
            if pair is None:
                return None
            if rank:
                first, second = pair
                order[first], order[second] = order[second], order[first]
        case "aten.t.default" | "aten.numpy_T.default":
            order.reverse()
        case "aten.movedim.int":
            pair = _ints(node, "source", "destination")
            if pair is None:
                return None
            if rank:
                order.insert(pair[1] % rank, order.pop(pair[0] % rank))
        case _:
            return None
    return tuple(order)


def _ints(node: Node, *names: str) -> tuple[int, ...] | None:
    """Arguments that are whole numbers, or one that is a list of them."""
    found: list[int] = []
    for name in names:
        argument = node.arguments[name]
        items = argument if isinstance(argument, tuple) else (argument,)
        if not is_ints(items):
            return None
        found.extend(items)
    return tuple(found)
