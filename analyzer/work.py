"""How much a node computes and what a boundary costs, in operations of arithmetic.

These are estimates that weigh nodes against each other. They are not times.
"""

from __future__ import annotations

from math import prod

from analyzer.graph import Graph, Node, Ref, TensorType, Value

WORTHWHILE = 1
"""A part is worthwhile when its work is at least this many times the cost of its boundary."""

OPERATIONS_PER_ELEMENT = 4
"""What moving one element across a boundary costs: a copy, and often a permutation, on the CPU."""

OPERATIONS_PER_CROSSING = 4096
"""What one tensor's crossing costs besides its elements."""

_WEIGHTED = {
    "aten.conv1d.default": "weight",
    "aten.conv2d.default": "weight",
    "aten.conv3d.default": "weight",
    "quantized.conv2d.new": "weight",
    "quantized.conv2d_relu.new": "weight",
    "aten.linear.default": "weight",
    "quantized.linear.default": "weight",
    "quantized.linear_relu.default": "weight",
}


def multiply_adds(node: Node, graph: Graph) -> int:
    """The multiply-adds of convolutions and matrix products; 0 for every other op."""
    output = _tensor(graph, node.outputs[0]) if node.outputs else None
    if output is None:
        return 0
    name = node.op.split(".")[1]
    if node.op in _WEIGHTED:
        weight = _argument(node, graph, "weight")
        return 0 if weight is None else output.numel * prod(weight.shape[1:])
    if name.startswith("conv_transpose"):
        weight, data = _argument(node, graph, "weight"), _argument(node, graph, "input")
        return 0 if weight is None or data is None else data.numel * prod(weight.shape[1:])
    left = {"matmul": "self", "mm": "self", "bmm": "self", "addmm": "mat1", "baddbmm": "batch1"}.get(name)
    matrix = None if left is None else _argument(node, graph, left)
    return 0 if matrix is None or not matrix.shape else output.numel * matrix.shape[-1]


def node_work(node: Node, graph: Graph) -> int:
    """Multiply-adds, and one operation for each element of each output."""
    found = (_tensor(graph, value) for value in node.outputs)
    return multiply_adds(node, graph) + sum(tensor.numel for tensor in found if tensor is not None)


def boundary_cost(value: Value) -> int:
    """What it costs to carry a value across a boundary."""
    elements = value.type.numel if isinstance(value.type, TensorType) else 0
    return OPERATIONS_PER_CROSSING + OPERATIONS_PER_ELEMENT * elements


def _argument(node: Node, graph: Graph, name: str) -> TensorType | None:
    argument = node.arguments.get(name)
    return _tensor(graph, argument.value) if isinstance(argument, Ref) else None


def _tensor(graph: Graph, value: int) -> TensorType | None:
    kind = graph.values[value].type
    return kind if isinstance(kind, TensorType) else None
