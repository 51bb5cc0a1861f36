"""Hard swish and hard sigmoid as decompositions write them: a sum, bounds, and a division by six."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from nnapi_check.analyzer.graph import ABSENT, Argument, ElementType, Graph, Node, Ref, TensorType

_LOW, _HIGH, _SHIFT = 0, 6, 3
_LONGEST = 5


@dataclass(frozen=True, slots=True)
class HardActivation:
    """The op that the nodes are, and its one argument; the last of them makes the result."""

    op: str
    nodes: tuple[Node, ...]
    arguments: Mapping[str, Argument]


def hard_activation_of(first: Node, graph: Graph, only_reader: Callable[[int], Node | None]) -> HardActivation | None:
    """The activation of ``x`` that begins with ``x + 3`` in ``first``, if there is one.

    ``only_reader`` gives the node that alone reads a value, or None.
    """
    source = first.arguments.get("self")
    if first.op != "aten.add.Tensor" or not isinstance(source, Ref) or first.is_constant:
        return None
    kind = graph.type_of(source.value)
    is_float = isinstance(kind, TensorType) and kind.dtype in (ElementType.FLOAT32, ElementType.FLOAT16)
    if not is_float or first.arguments["other"] != _SHIFT or first.arguments["alpha"] != 1:
        return None
    nodes = [first]
    low, high = -inf, inf
    while len(nodes) < _LONGEST:
        node = only_reader(nodes[-1].outputs[0])
        if node is None:
            return None
        is_multiplied = _is_product(nodes[-1], source)
        nodes.append(node)
        bounds = None if is_multiplied else _bounds(node)
        if bounds is not None:
            low, high = max(low, bounds[0]), min(high, bounds[1])
        elif (low, high) != (_LOW, _HIGH):
            return None
        elif _is_divided(node):
            op = "aten.hardswish.default" if is_multiplied else "aten.hardsigmoid.default"
            return HardActivation(op, tuple(nodes), {"self": source})
        elif is_multiplied or not _is_product(node, source):
            return None
    return None


def _bounds(node: Node) -> tuple[float, float] | None:
    """Between which numbers a node puts its input."""
    names = {"aten.clamp.default": ("min", "max"), "aten.hardtanh.default": ("min_val", "max_val")}.get(node.op)
    if names is None:
        return None
    low, high = (node.arguments[name] for name in names)
    low, high = (-inf if low == ABSENT else low), (inf if high == ABSENT else high)
    return (low, high) if isinstance(low, int | float) and isinstance(high, int | float) else None


def _is_divided(node: Node) -> bool:
    return node.op == "aten.div.Tensor" and node.arguments["other"] == _HIGH


def _is_product(node: Node, source: Ref) -> bool:
    """Whether a node multiplies what was bounded by the input."""
    return node.op == "aten.mul.Tensor" and source in (node.arguments["self"], node.arguments["other"])
