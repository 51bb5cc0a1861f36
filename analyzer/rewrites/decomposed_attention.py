"""Attention as decompositions write it: scaled queries and keys, two products and a softmax, twenty nodes in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from nnapi_check.analyzer.graph import ABSENT, Argument, Graph, Node, NodeOutput, Ref, TensorType
from nnapi_check.analyzer.rewrites.element_moves import move_of

ATTENTION = "aten.scaled_dot_product_attention.default"
_MULTIPLIED = ("aten.mul.Scalar", "aten.mul.Tensor")
_PRODUCT = "aten.bmm.default"


@dataclass(frozen=True, slots=True)
class Attention:
    """What the nodes compute, as the arguments of the op that does it alone; the last of them makes the result."""

    nodes: tuple[Node, ...]
    arguments: Mapping[str, Argument]


def attention_of(
    first: Node, graph: Graph, local: Mapping[int, Node], readers: Mapping[int, Sequence[int]]
) -> Attention | None:
    """The attention whose queries are scaled by ``first``, if there is one.

    ``local`` has the nodes of the block by id, and ``readers`` the ids of the nodes that read each value.
    """
    if first.op not in _MULTIPLIED or first.is_constant or len(first.outputs) != 1:
        return None
    search = _Search(graph, local, readers)
    return search.attention(first)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A tensor times a number."""

    value: int
    factor: float


@dataclass(frozen=True, slots=True)
class _Weights:
    """The softmax of scores: the node that makes it, and the mask that was added to the scores before."""

    node: Node
    mask: Argument


class _Search:
    """Follows nodes from the queries on, and keeps those that it passed."""

    def __init__(self, graph: Graph, local: Mapping[int, Node], readers: Mapping[int, Sequence[int]]) -> None:
        self._graph = graph
        self._local = local
        self._readers = readers
        self._passed: dict[int, Node] = {}

    def attention(self, first: Node) -> Attention | None:
        query = self._scaled(first)
        product = None if query is None else self._product(first)
        if query is None or product is None:
            return None
        key = self._key(product)
        scores = None if key is None else self._reshaped(product)
        weights = None if scores is None else self._weights(scores)
        second = None if weights is None else self._product(weights.node)
        value = None if second is None else self._operand(second, "mat2")
        result = None if second is None else self._reshaped(second)
        if key is None or scores is None or weights is None or value is None or result is None:
            return None
        rows, columns = self._shape(query.value), self._shape(key.value)
        are_heads = (
            len(rows) > 2
            and rows[:-2] == columns[:-2] == self._shape(value)[:-2]
            and self._shape(scores.outputs[0]) == (*rows[:-1], columns[-2])
            and self._shape(result.outputs[0]) == (*rows[:-1], self._shape(value)[-1])
        )
        if not are_heads:
            return None
        arguments: dict[str, Argument] = {
            "query": Ref(query.value),
            "key": Ref(key.value),
            "value": Ref(value),
            "attn_mask": weights.mask,
            "dropout_p": 0.0,
            "is_causal": False,
            "scale": query.factor * key.factor,
            "enable_gqa": False,
        }
        return Attention((*(node for node in self._passed.values() if node is not result), result), arguments)

    def _scaled(self, node: Node) -> _Scaled | None:
        source, factor = node.arguments.get("self"), node.arguments.get("other")
        if node.op not in _MULTIPLIED or not isinstance(source, Ref) or not isinstance(factor, int | float):
            return None
        self._pass(node)
        return _Scaled(source.value, float(factor))

    def _product(self, node: Node) -> Node | None:
        """The product of matrices that alone reads what a node makes, reshaped to a batch of its first matrices."""
        found: Node | None = self._only_reader(node)
        while found is not None and self._is_reshape(found):
            self._pass(found)
            found = self._only_reader(found)
        if (
            found is None
            or found.op != _PRODUCT
            or self._operand(found, "self", stops_at=(node.op,)) != node.outputs[0]
        ):
            return None
        self._pass(found)
        return found

    def _key(self, product: Node) -> _Scaled | None:
        """The keys: transposed, scaled, and reshaped to a batch of matrices."""
        batch = self._operand(product, "mat2", stops_at=_MULTIPLIED)
        node = None if batch is None else self._maker(batch)
        transposed = None if node is None else self._scaled(node)
        swapped = None if transposed is None else self._maker(transposed.value)
        move = None if swapped is None else move_of(swapped, self._graph)
        if transposed is None or swapped is None or move is None or move.order is None:
            return None
        rank = len(move.order)
        self._pass(swapped)
        return _Scaled(move.source, transposed.factor) if move.order == _swapped(rank) else None

    def _operand(self, product: Node, argument: str, stops_at: Sequence[str] = ()) -> int | None:
        """What an argument of a product was before it was expanded to its own shape and reshaped to a batch."""
        given = product.arguments[argument]
        value = given.value if isinstance(given, Ref) else None
        while value is not None:
            node = self._maker(value)
            if node is None or node.op in stops_at:
                return value if node is not None else None
            source = node.arguments.get("self")
            if not self._is_reshape(node) or not isinstance(source, Ref):
                return None
            self._pass(node)
            value = source.value
            if node.op == "aten.expand.default" and not stops_at:
                return value
        return None

    def _reshaped(self, node: Node) -> Node | None:
        """The node that reshapes what a product makes, or the product itself where no other reads it."""
        found = self._only_reader(node)
        if found is not None and self._is_reshape(found):
            self._pass(found)
            return found
        return None

    def _weights(self, scores: Node) -> _Weights | None:
        mask: Argument = ABSENT
        added = self._only_reader(scores)
        if added is not None and added.op == "aten.add.Tensor":
            if added.arguments["self"] != Ref(scores.outputs[0]) or added.arguments["alpha"] != 1:
                return None
            mask, scores = added.arguments["other"], added
            if not isinstance(mask, Ref) or self._shape(added.outputs[0]) != self._shape(_value(added, "self")):
                return None
            self._pass(added)
        found = self._nodes_that_read(scores)
        softmax = next((node for node in found if node.op == "aten._softmax.default"), None)
        if softmax is None or not self._is_over_columns(softmax):
            return None
        self._pass(softmax)
        if len(found) == 1:
            return _Weights(softmax, mask)
        safe = self._safe(scores, softmax, found)
        return None if safe is None else _Weights(safe, mask)

    def _safe(self, scores: Node, softmax: Node, found: Sequence[Node]) -> Node | None:
        """The choice of zeros for a row of which every score is minus infinity."""
        others = [node for node in found if node is not softmax]
        node = others[0] if len(others) == 1 else None
        for op, name, wanted in (
            ("aten.eq.Scalar", "other", -inf),
            ("aten.logical_not.default", "", None),
            ("aten.any.dim", "keepdim", True),
            ("aten.logical_not.default", "", None),
        ):
            if node is None or node.op != op or (name and node.arguments[name] != wanted):
                return None
            if op == "aten.any.dim" and node.arguments["dim"] not in (-1, len(self._shape(node.outputs[0])) - 1):
                return None
            self._pass(node)
            condition, node = node, self._only_reader(node)
        if node is None or node.op != "aten.where.self" or _value(node, "condition") != condition.outputs[0]:
            return None
        zeros = self._maker(_value(node, "self"))
        is_choice = (
            _value(node, "other") == softmax.outputs[0]
            and zeros is not None
            and zeros.op == "aten.full_like.default"
            and zeros.arguments["fill_value"] == 0
            and {reader.id for reader in self._nodes_that_read(softmax)} <= {node.id, zeros.id}
        )
        if not is_choice or zeros is None or self._only_reader(zeros) is not node:
            return None
        self._pass(zeros)
        self._pass(node)
        return node

    def _is_over_columns(self, softmax: Node) -> bool:
        rank = len(self._shape(softmax.outputs[0]))
        return softmax.arguments["dim"] in (-1, rank - 1) and softmax.arguments["half_to_float"] is False

    def _is_reshape(self, node: Node) -> bool:
        source = node.arguments.get("self")
        if node.op == "aten.expand.default" and isinstance(source, Ref) and len(node.outputs) == 1:
            return self._shape(source.value) == self._shape(node.outputs[0])
        move = move_of(node, self._graph)
        return move is not None and move.order is None

    def _pass(self, node: Node) -> None:
        self._passed[node.id] = node

    def _maker(self, value: int) -> Node | None:
        """The node of this block that makes a value which one node alone reads."""
        origin = self._graph.values[value].origin if value >= 0 else None
        node = self._local.get(origin.node) if isinstance(origin, NodeOutput) else None
        return node if node is not None and len(self._readers[value]) == 1 else None

    def _only_reader(self, node: Node) -> Node | None:
        found = self._nodes_that_read(node)
        return found[0] if len(found) == 1 else None

    def _nodes_that_read(self, node: Node) -> list[Node]:
        """The nodes that read what a node makes; none where a block's outputs, or another block, do so too."""
        ids = dict.fromkeys(self._readers[node.outputs[0]])
        return [self._local[id_] for id_ in ids] if all(id_ in self._local for id_ in ids) else []

    def _shape(self, value: int) -> tuple[int, ...]:
        kind = self._graph.type_of(value)
        return kind.shape if isinstance(kind, TensorType) else ()


def _swapped(rank: int) -> tuple[int, ...]:
    return (*range(rank - 2), rank - 1, rank - 2)


def _value(node: Node, name: str) -> int:
    """The value that an argument is, or -1."""
    given = node.arguments[name]
    return given.value if isinstance(given, Ref) else -1
