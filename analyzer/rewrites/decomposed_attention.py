"""Attention as decompositions write it: scaled queries and keys, two products and a softmax, twenty nodes in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from nnapi_check.analyzer.graph import ABSENT, Argument, Node, Ref
from nnapi_check.analyzer.rewrites.rewrite import Match, Miss, Rewrite, Surroundings, in_place_of_last
from nnapi_check.analyzer.rewrites.runs.moving_nodes import move_of

ATTENTION = "aten.scaled_dot_product_attention.default"
_MULTIPLIED = ("aten.mul.Scalar", "aten.mul.Tensor")
_PRODUCT = "aten.bmm.default"


def _match(first: Node, around: Surroundings) -> Match | Miss | None:
    """The attention whose queries are scaled by ``first``."""
    return _Search(around).attention(first) if len(first.outputs) == 1 else None


DECOMPOSED_ATTENTION = Rewrite(
    name="decomposed-attention",
    title="attention in its parts",
    begins=frozenset(_MULTIPLIED),
    makes=frozenset({ATTENTION}),
    match=_match,
)


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
    """Follows nodes from the queries on, keeps those that it passed, and remembers where it first had to stop."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._passed: dict[int, Node] = {}
        self._stopped: Miss | None = None

    def attention(self, first: Node) -> Match | Miss | None:
        query = self._scaled(first)
        product = None if query is None else self._product(first)
        key = None if product is None else self._key(product)
        if query is None or product is None or key is None:
            # So far it may as well be another product of matrices.
            return None
        scores = self._reshaped(product)
        weights = None if scores is None else self._weights(scores)
        second = None if weights is None else self._product(weights.node)
        value = None if second is None else self._operand(second, "mat2")
        result = None if second is None or value is None else self._reshaped(second)
        if scores is None or weights is None or value is None or result is None:
            return self._stopped
        shape = self._around.shape
        rows, columns = shape(query.value), shape(key.value)
        are_heads = (
            len(rows) > 2
            and rows[:-2] == columns[:-2] == shape(value)[:-2]
            and shape(scores.outputs[0]) == (*rows[:-1], columns[-2])
            and shape(result.outputs[0]) == (*rows[:-1], shape(value)[-1])
        )
        if not are_heads:
            return self._stop(result, "queries, keys, values and result are not matrices of the same batches")
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
        return in_place_of_last(
            ATTENTION, arguments, (*(node for node in self._passed.values() if node is not result), result)
        )

    def _stop(self, at: Node, reason: str) -> Miss:
        """Remember the node that is in the way, and why."""
        self._passed.pop(at.id, None)
        miss = Miss(len(self._passed), at, reason)
        self._stopped = self._stopped or miss
        return miss

    def _scaled(self, node: Node) -> _Scaled | None:
        source, factor = node.arguments.get("self"), node.arguments.get("other")
        if node.op not in _MULTIPLIED or not isinstance(source, Ref) or not isinstance(factor, int | float):
            return None
        self._pass(node)
        return _Scaled(source.value, float(factor))

    def _product(self, node: Node) -> Node | None:
        """The product of matrices that alone reads what a node makes, reshaped to a batch of its first matrices."""
        last, found = node, self._only_reader(node)
        while found is not None and self._is_reshape(found):
            self._pass(found)
            last, found = found, self._only_reader(found)
        if found is None:
            return None
        if found.op != _PRODUCT or self._operand(found, "self", stops_at=(node.op,)) != node.outputs[0]:
            self._stop(found, f"{_PRODUCT} of what {last.op} makes was wanted")
            return None
        self._pass(found)
        return found

    def _key(self, product: Node) -> _Scaled | None:
        """The keys: transposed, scaled, and reshaped to a batch of matrices."""
        batch = self._operand(product, "mat2", stops_at=_MULTIPLIED)
        node = None if batch is None else self._maker(batch)
        transposed = None if node is None else self._scaled(node)
        swapped = None if transposed is None else self._maker(transposed.value)
        move = None if swapped is None else move_of(swapped, self._around)
        if transposed is None or swapped is None or move is None or move.order is None:
            return None
        rank = len(move.order)
        self._pass(swapped)
        return _Scaled(move.source, transposed.factor) if move.order == _swapped(rank) else None

    def _operand(self, product: Node, argument: str, stops_at: Sequence[str] = ()) -> int | None:
        """What an argument of a product was before it was expanded to its own shape and reshaped to a batch."""
        value = _value(product, argument)
        while value is not None:
            node = self._maker(value)
            if node is None:
                self._stop(product, f"its {argument} is made elsewhere, or read by others as well")
                return None
            if node.op in stops_at:
                return value
            source = node.arguments.get("self")
            if not self._is_reshape(node) or not isinstance(source, Ref):
                self._stop(node, f"{product.op} was wanted to read a reshape")
                return None
            self._pass(node)
            value = source.value
            if node.op == "aten.expand.default" and not stops_at:
                return value
        return None

    def _reshaped(self, node: Node) -> Node | None:
        """The node that reshapes what a product makes, and alone reads it."""
        found = self._only_reader(node)
        if found is None:
            return None
        if not self._is_reshape(found):
            self._stop(found, "a reshape was wanted")
            return None
        self._pass(found)
        return found

    def _weights(self, scores: Node) -> _Weights | None:
        mask: Argument = ABSENT
        found = self._around.nodes_that_read(scores.outputs[0])
        added = found[0] if len(found) == 1 else None
        if added is not None and added.op == "aten.add.Tensor":
            mask = added.arguments["other"]
            whole = _value(added, "self")
            if whole != scores.outputs[0] or added.arguments["alpha"] != 1 or not isinstance(mask, Ref):
                self._stop(added, "a mask that is added to the scores was wanted")
                return None
            if self._around.shape(added.outputs[0]) != self._around.shape(whole):
                self._stop(added, "the mask is larger than the scores")
                return None
            scores = added
            self._pass(added)
            found = self._around.nodes_that_read(scores.outputs[0])
        softmax = next((node for node in found if node.op == "aten._softmax.default"), None)
        if softmax is None:
            self._stop(found[0] if found else scores, "a softmax of the scores was wanted")
            return None
        if not self._is_over_columns(softmax):
            self._stop(softmax, "its sum is not over the keys, or its result of another type")
            return None
        self._pass(softmax)
        if len(found) == 1:
            return _Weights(softmax, mask)
        safe = self._safe(scores, softmax, found)
        return None if safe is None else _Weights(safe, mask)

    def _safe(self, scores: Node, softmax: Node, found: Sequence[Node]) -> Node | None:
        """The choice of zeros for a row of which every score is minus infinity."""
        others = [node for node in found if node is not softmax]
        if len(others) != 1:
            self._stop(scores, "more nodes read the scores than the softmax")
            return None
        node: Node | None = others[0]
        for op, name, wanted in (
            ("aten.eq.Scalar", "other", -inf),
            ("aten.logical_not.default", "", None),
            ("aten.any.dim", "keepdim", True),
            ("aten.logical_not.default", "", None),
        ):
            if node is None:
                return None
            is_wanted = node.op == op and (not name or node.arguments[name] == wanted)
            rank = len(self._around.shape(node.outputs[0]))
            if not is_wanted or (op == "aten.any.dim" and node.arguments["dim"] not in (-1, rank - 1)):
                self._stop(node, f"{op}, of rows that are all minus infinity, was wanted")
                return None
            self._pass(node)
            condition, node = node, self._only_reader(node)
        if node is None:
            return None
        first = _value(node, "self") if node.op == "aten.where.self" else None
        zeros = None if first is None else self._maker(first)
        is_choice = (
            zeros is not None
            and _value(node, "condition") == condition.outputs[0]
            and _value(node, "other") == softmax.outputs[0]
            and zeros.op == "aten.full_like.default"
            and zeros.arguments["fill_value"] == 0
            and {reader.id for reader in self._around.nodes_that_read(softmax.outputs[0])} <= {node.id, zeros.id}
        )
        if zeros is None or not is_choice or self._only_reader(zeros) is not node:
            self._stop(node, "a choice of zeros for rows that are all minus infinity was wanted")
            return None
        self._pass(zeros)
        self._pass(node)
        return node

    def _is_over_columns(self, softmax: Node) -> bool:
        rank = len(self._around.shape(softmax.outputs[0]))
        return softmax.arguments["dim"] in (-1, rank - 1) and softmax.arguments["half_to_float"] is False

    def _is_reshape(self, node: Node) -> bool:
        source = node.arguments.get("self")
        if node.op == "aten.expand.default" and isinstance(source, Ref) and len(node.outputs) == 1:
            return self._around.shape(source.value) == self._around.shape(node.outputs[0])
        move = move_of(node, self._around)
        return move is not None and move.order is None

    def _pass(self, node: Node) -> None:
        self._passed[node.id] = node

    def _maker(self, value: int) -> Node | None:
        """The node of this block that makes a value which one node alone reads."""
        return self._around.maker(value) if len(self._around.readers[value]) == 1 else None

    def _only_reader(self, node: Node) -> Node | None:
        found = self._around.nodes_that_read(node.outputs[0])
        if len(found) != 1:
            self._stop(node, "more than one node reads what it makes, or none")
            return None
        return found[0]


def _swapped(rank: int) -> tuple[int, ...]:
    return (*range(rank - 2), rank - 1, rank - 2)


def _value(node: Node, name: str) -> int | None:
    """The value that an argument is, or None."""
    given = node.arguments[name]
    return given.value if isinstance(given, Ref) else None
