"""Values that arithmetic on floats rounds to steps: what is left of quantization that made no quantized tensor."""

from __future__ import annotations

from nnapi_check.analyzer.graph import Graph, Node, Ref, TensorType

_ROUNDS = "aten.round.default"

_BY_NUMBERS = frozenset(
    f"aten.{name}" for name in ("add.Scalar", "sub.Scalar", "mul.Scalar", "clamp.default", "to.dtype", "transpose.int")
)
"""Ops that take steps to others, or to the numbers that they stand for, or move them."""

_BY_A_TENSOR = frozenset({"aten.add.Tensor", "aten.sub.Tensor", "aten.mul.Tensor"})
"""The same with a scale or zero point that is found at run time, or is one of each channel."""


def rounded_values(graph: Graph) -> frozenset[int]:
    """The ids of values that are in steps of a scale, though floats or plain integers hold them."""
    found: set[int] = set()
    for node in graph.nodes():
        if node.op == _ROUNDS or (_keeps_steps(node, graph) and _first(node) in found):
            found.update(node.outputs)
    return frozenset(found)


def _keeps_steps(node: Node, graph: Graph) -> bool:
    if node.op in _BY_NUMBERS:
        return True
    match node.arguments.get("other"):
        case Ref(value) if node.op in _BY_A_TENSOR:
            kind = graph.values[value].type
            return isinstance(kind, TensorType) and kind.numel == max(kind.shape, default=1)
        case _:
            return False


def _first(node: Node) -> int | None:
    match node.arguments.get("self"):
        case Ref(value):
            return value
        case _:
            return None
