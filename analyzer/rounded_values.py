"""Values that arithmetic on floats rounds to steps: what is left of quantization that made no quantized tensor."""

from __future__ import annotations

from nnapi_check.analyzer.graph import Graph, Node, referred

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
        is_rounded = not found.isdisjoint(referred(node.arguments.get("self")))
        if node.op == _ROUNDS or (is_rounded and _keeps_steps(node, graph)):
            found.update(node.outputs)
    return frozenset(found)


def _keeps_steps(node: Node, graph: Graph) -> bool:
    if node.op in _BY_NUMBERS:
        return True
    other = graph.tensor_of(node.arguments.get("other")) if node.op in _BY_A_TENSOR else None
    return other is not None and other.numel == max(other.shape, default=1)
