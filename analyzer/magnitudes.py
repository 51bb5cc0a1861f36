"""How great whole numbers can be: which of them floats hold exactly, whatever a model is given.

What bounds them: the places in a dimension, truth values, numbers of the program, and reads at places beyond which
PyTorch raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from nnapi_check.analyzer.graph import (
    Absent,
    Argument,
    ElementType,
    Graph,
    Literal,
    Node,
    Ref,
    RefList,
    TensorType,
    referred,
)
from nnapi_check.coverage_db.cards import Card, Movement

GREATEST_IN_FLOATS = 1 << 24
"""Up to here float32 holds each whole number."""

_BY_TYPE = {ElementType.BOOL: 1, ElementType.UINT8: 255, ElementType.INT8: 128, ElementType.INT16: 1 << 15}
_WHOLE = (ElementType.INT32, ElementType.INT64, *_BY_TYPE)


def held_by_floats(graph: Graph, cards: Mapping[str, Card]) -> frozenset[int]:
    """The ids of whole numbers that float32 holds exactly, by the ``cards`` of a graph's ops. Linear in its nodes."""
    greatest = magnitudes(graph, cards)
    return frozenset(value for value, bound in greatest.items() if bound <= GREATEST_IN_FLOATS)


def magnitudes(graph: Graph, cards: Mapping[str, Card]) -> Mapping[int, int]:
    """The greatest magnitude that whole numbers and truth values may have, by the value's id, where it is known.

    What a model is given is taken for anything that PyTorch does not refuse.
    """
    if not any(isinstance(value.type, TensorType) and value.type.dtype in _WHOLE for value in graph.values):
        return {}
    found = _Magnitudes(graph, cards)
    found.fill()
    return {value: bound for value, bound in found.known.items() if found.is_whole(value)}


@dataclass(slots=True)
class _Magnitudes:
    """The greatest magnitude of each value of which it is known."""

    graph: Graph
    cards: Mapping[str, Card]
    known: dict[int, int] = field(init=False, default_factory=dict)

    def fill(self) -> None:
        """Find all that is known."""
        for found in self.graph.values:
            kind = found.type
            if isinstance(kind, TensorType) and kind.dtype in _BY_TYPE:
                self.known[found.id] = _BY_TYPE[kind.dtype]
            elif isinstance(found.origin, Literal) and found.origin.data:
                self._literal(found.id, found.origin.data)
        self._backwards()
        for node in self.graph.nodes():
            for value, greatest in self._made(node):
                if self.is_whole(value) and greatest is not None and not self._may_wrap(value):
                    self.known[value] = min(greatest, self.known.get(value, greatest))

    def _literal(self, value: int, data: Sequence[float]) -> None:
        if all(isfinite(number) for number in data):
            self.known[value] = max(int(abs(number)) for number in data)

    def is_whole(self, value: int) -> bool:
        """Whether a value holds whole numbers, or truth values, and stands for no others."""
        kind = self.graph.tensor_type(value)
        return kind is not None and kind.dtype in _WHOLE and not kind.is_quantized

    def _may_wrap(self, value: int) -> bool:
        """Whether a value has few bits, in which what is computed may wrap around: its type alone bounds it then."""
        kind = self.graph.tensor_type(value)
        return kind is not None and kind.dtype in _BY_TYPE

    def _backwards(self) -> None:
        """What is read as places, and what those were made of: others would raise in PyTorch."""
        for node in reversed(self.graph.body.nodes):
            for value, size in self._places(node):
                self._at_most(value, size)
            makes = [self.known.get(value) for value in node.outputs]
            if len(makes) == 1 and makes[0] is not None:
                for value in self._kept_whole(node):
                    self._at_most(value, makes[0])

    def _kept_whole(self, node: Node) -> list[int]:
        """The values of which a node's result has each element."""
        if node.op in _KEEP_ALL or self._movement(node) is not Movement.NONE:
            return self._moved(node)
        return list(referred(node.arguments.get("self"))) if _is_between_integers(node, self.graph) else []

    def _movement(self, node: Node) -> Movement:
        return self.cards[node.op].moves if node.op in self.cards else Movement.NONE

    def _moved(self, node: Node) -> list[int]:
        """The values whose elements are those of a node's results."""
        is_added = node.arguments.get("accumulate", False) is not False
        names = self.cards[node.op].elements_of if node.op in self.cards and not is_added else ()
        return [value for name in names for value in referred(node.arguments.get(name))]

    def _at_most(self, value: int, greatest: int) -> None:
        if self.is_whole(value):
            self.known[value] = min(greatest, self.known.get(value, greatest))

    def _places(self, node: Node) -> Iterator[tuple[int, int]]:
        given = node.arguments
        match node.op:
            case "aten.embedding.default":
                yield from self._places_in("weight", 0, given.get("indices"), node)
            case "aten.index_select.default" | "aten.gather.default":
                dim = given.get("dim")
                if isinstance(dim, int):
                    yield from self._places_in("self", dim, given.get("index"), node)
            case "aten.index.Tensor":
                indices = given.get("indices")
                if isinstance(indices, RefList):
                    for dim, value in enumerate(indices.values):
                        kind = None if value is None else self.graph.tensor_type(value)
                        if kind is not None and kind.dtype in (ElementType.BOOL, ElementType.UINT8):
                            # A mask stands for several dimensions.
                            return
                        if value is not None:
                            yield from self._places_in("self", dim, Ref(value), node)

    def _places_in(self, name: str, dim: int, index: Argument | None, node: Node) -> Iterator[tuple[int, int]]:
        kind = self.graph.tensor_of(node.arguments.get(name))
        if kind is not None and isinstance(index, Ref) and -kind.rank <= dim < kind.rank:
            yield index.value, kind.shape[dim]

    def _made(self, node: Node) -> Iterator[tuple[int, int | None]]:
        """The values that a node makes, with the greatest magnitude where it is known."""
        if node.blocks:
            return
        moved = self._moved(node)
        if moved:
            among = [self.known.get(value) for value in moved]
            greatest = _greatest([*among, *([self.number(node, "value")] if "value" in node.arguments else [])])
            yield from ((value, greatest) for value in node.outputs)
            return
        name = node.op.split(".")[1] if node.op.count(".") > 1 else node.op
        kind = self.graph.tensor_of(node.arguments.get("self"))
        if node.op in _PLACES and kind is not None:
            # What has two outputs gives the elements before their places.
            first = self.known.get(next(iter(referred(node.arguments["self"]))))
            yield from zip(node.outputs, (first, kind.numel)[-len(node.outputs) :], strict=False)
        elif name in _COMPUTED and node.outputs:
            yield node.outputs[0], _COMPUTED[name](self, node)

    def number(self, node: Node, name: str) -> int | None:
        """The greatest magnitude of an argument, a number of the program or a tensor."""
        match node.arguments.get(name):
            case Ref(value):
                return self.known.get(value)
            case bool() | int() | float() as number if isfinite(number):
                return int(abs(number)) + (not float(number).is_integer())
            case Absent():
                return 0
            case _:
                return None

    def length(self, node: Node) -> int:
        """How many elements a tensor has of which several may be added."""
        kind = self.graph.tensor_of(node.arguments.get("self"))
        return 1 if kind is None else kind.numel


def _greatest(among: Sequence[int | None]) -> int | None:
    known = [greatest for greatest in among if greatest is not None]
    return max(known) if known and len(known) == len(among) else None


def _is_between_integers(node: Node, graph: Graph) -> bool:
    """Whether a node changes the width of whole numbers alone."""
    if not node.op.startswith(("aten.to.", "aten._to_copy.", "aten.type_as.")):
        return False
    kinds = (graph.tensor_of(node.arguments.get("self")), graph.tensor_type(node.outputs[0]))
    return all(kind is not None and kind.dtype in (ElementType.INT32, ElementType.INT64) for kind in kinds)


def _sum(found: _Magnitudes, node: Node) -> int | None:
    sides = (found.number(node, "self"), found.number(node, "other"))
    alpha = found.number(node, "alpha") if "alpha" in node.arguments else 1
    if sides[0] is None or sides[1] is None or alpha is None:
        return None
    # Either side may be the one that is multiplied.
    return (sides[0] + sides[1]) * max(1, alpha)


def _product(found: _Magnitudes, node: Node) -> int | None:
    left, right = found.number(node, "self"), found.number(node, "other")
    return None if left is None or right is None else left * right


def _quotient(found: _Magnitudes, node: Node) -> int | None:
    # Whole numbers are divided by 1 or more; to round a quotient to the floor takes one more.
    left = found.number(node, "self")
    return None if left is None else left + 1


def _rest(found: _Magnitudes, node: Node) -> int | None:
    return found.number(node, "other")


def _same(found: _Magnitudes, node: Node) -> int | None:
    return found.number(node, "self")


def _bounded(found: _Magnitudes, node: Node) -> int | None:
    if any(isinstance(node.arguments.get(name), Absent) for name in ("min", "max")):
        return None
    return _greatest([found.number(node, "min"), found.number(node, "max")])


def _total(found: _Magnitudes, node: Node) -> int | None:
    each = found.number(node, "self")
    return None if each is None else each * found.length(node)


def _range(found: _Magnitudes, node: Node) -> int | None:
    ends = [found.number(node, name) for name in ("start", "end") if name in node.arguments]
    return _greatest(ends)


_PLACES = frozenset(
    f"aten.{name}"
    for name in (
        *("argmax.default", "argmin.default", "argsort.default", "argsort.stable", "topk.default", "sort.default"),
        *("sort.stable", "max.dim", "min.dim", "kthvalue.default", "median.dim", "mode.default"),
    )
)
"""Ops whose last output holds places of elements."""

_KEEP_ALL = frozenset(
    f"aten.{name}" for name in ("cat.default", "stack.default", "expand.default", "expand_as.default", "repeat.default")
)
"""Ops that give each element of what they take, some several times."""

_COMPUTED: Mapping[str, Callable[[_Magnitudes, Node], int | None]] = {
    # Of floats nothing is known, and so of what they are converted to.
    **dict.fromkeys(("to", "_to_copy", "type_as", "neg", "abs"), _same),
    **dict.fromkeys(("add", "sub", "rsub"), _sum),
    "mul": _product,
    **dict.fromkeys(("div", "floor_divide"), _quotient),
    **dict.fromkeys(("remainder", "fmod"), _rest),
    "clamp": _bounded,
    **dict.fromkeys(("sum", "cumsum"), _total),
    "arange": _range,
}
"""What is known of what ops compute of whole numbers, by the op's name without overload."""
