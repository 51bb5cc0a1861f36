"""Hard swish and hard sigmoid as decompositions write them: a sum, bounds, and a division by six."""

from __future__ import annotations

from math import inf

from nnapi_check.analyzer.graph import ABSENT, ElementType, Node, Ref, TensorType
from nnapi_check.analyzer.rewrites.rewrite import Match, Miss, Rewrite, Surroundings, in_place_of_last

_LOW, _HIGH, _SHIFT = 0, 6, 3
_LONGEST = 5


def _match(first: Node, around: Surroundings) -> Match | Miss | None:
    """The activation of ``x`` that begins with ``x + 3`` in ``first``."""
    source = first.arguments["self"]
    if not isinstance(source, Ref) or first.arguments["other"] != _SHIFT or first.arguments["alpha"] != 1:
        return None
    kind = around.graph.type_of(source.value)
    if not isinstance(kind, TensorType) or kind.dtype not in (ElementType.FLOAT32, ElementType.FLOAT16):
        return None
    nodes = [first]
    low, high = -inf, inf
    while len(nodes) < _LONGEST:
        is_bounded = (low, high) == (_LOW, _HIGH)
        node = around.only_reader(nodes[-1].outputs[0])
        if node is None:
            is_told = is_bounded and len(around.readers[nodes[-1].outputs[0]]) > 1
            return Miss(len(nodes) - 1, nodes[-1], "more than one node reads what it makes") if is_told else None
        is_multiplied = _is_product(nodes[-1], source)
        nodes.append(node)
        bounds = None if is_multiplied else _bounds(node)
        if bounds is not None:
            low, high = max(low, bounds[0]), min(high, bounds[1])
        elif not is_bounded:
            return None
        elif _is_divided(node):
            op = HARD_SWISH if is_multiplied else HARD_SIGMOID
            return in_place_of_last(op, {"self": source}, nodes)
        elif is_multiplied or not _is_product(node, source):
            return Miss(len(nodes) - 1, node, f"a division by {_HIGH} was wanted")
    return None


HARD_SWISH, HARD_SIGMOID = "aten.hardswish.default", "aten.hardsigmoid.default"

HARD_ACTIVATION = Rewrite(
    name="hard-activation",
    title="hard swish or hard sigmoid",
    begins=frozenset({"aten.add.Tensor"}),
    makes=frozenset({HARD_SWISH, HARD_SIGMOID}),
    match=_match,
)


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
