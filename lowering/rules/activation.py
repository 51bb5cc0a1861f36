"""Activations: one operation, or a few, in whichever layout their input has."""

from __future__ import annotations

from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.in_floats import dequantized, quantized
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import Rule, lowers

_OPERATIONS = {
    "aten.relu.default": "RELU",
    "aten.relu6.default": "RELU6",
    "aten.sigmoid.default": "LOGISTIC",
    "aten.tanh.default": "TANH",
    "aten.hardswish.default": "HARD_SWISH",
}
"""The ops that are one operation of one tensor."""


def _one_operation(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        return emit.operation(kind, [emit.input("self")])

    return rule


for _op, _kind in _OPERATIONS.items():
    lowers(_op, way="operation")(_one_operation(_kind))


@lowers("aten.hardsigmoid.default", way="composed")
def hardsigmoid(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU6(x + 3) / 6."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.scaled(write.of("RELU6", write.shifted(x, 3.0)), 1 / 6)


@lowers("aten.hardsigmoid.default", way="in floats")
def quantized_hardsigmoid(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU6(x + 3) / 6 between DEQUANTIZE and QUANTIZE."""
    x = dequantized(emit, emit.input("self"))
    write = Elementwise(emit, x, emit.spec(x))
    return quantized(emit, write.scaled(write.of("RELU6", write.shifted(x, 3.0)), 1 / 6))


@lowers("aten.hardswish.default", way="composed")
def hardswish(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x * (RELU6(x + 3) / 6)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    gate = write.scaled(write.of("RELU6", write.shifted(x, 3.0)), 1 / 6)
    return write.mul(x, gate)


@lowers("aten.silu.default", way="composed")
def silu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x * LOGISTIC(x)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.mul(x, write.of("LOGISTIC", x))


@lowers("aten.leaky_relu.default", way="operation")
def leaky_relu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PRELU with one slope."""
    x = emit.input("self")
    return emit.operation("PRELU", [x, emit.number(node.real("negative_slope"), x)])


@lowers("aten.leaky_relu.default", way="of integers")
def kept_leaky_relu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PRELU with one slope, in the scale of the input."""
    return emit.operation("PRELU", [emit.input("self"), emit.quantized_number(node.real("negative_slope"))])


@lowers("aten.leaky_relu.default", way="in floats")
def quantized_leaky_relu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PRELU between DEQUANTIZE and QUANTIZE."""
    x = dequantized(emit, emit.input("self"))
    slope = emit.number(node.real("negative_slope"), x)
    return quantized(emit, emit.operation("PRELU", [x, slope], emit.spec(x)))


@lowers("aten.leaky_relu.default", way="composed")
def composed_leaky_relu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x) - slope * RELU(-x)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return _sloped(write, x, write.number(node.real("negative_slope")))


@lowers("aten.prelu.default", way="operation")
def prelu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PRELU, its slopes along the channels."""
    return emit.operation("PRELU", [emit.input("self"), _slopes(emit)])


@lowers("aten.prelu.default", way="composed")
def composed_prelu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x) - slope * RELU(-x), with slopes along the channels."""
    x = emit.input("self")
    return _sloped(Elementwise(emit, x), x, _slopes(emit))


def _sloped(write: Elementwise, x: OperandId, slope: OperandId) -> OperandId:
    below = write.negated(write.of("RELU", write.negated(x)))
    return write.add(write.of("RELU", x), write.mul(below, slope))


def _slopes(emit: Emitter) -> OperandId:
    return emit.weight(emit.node.by_channel(emit.node.constant("weight").flatten()))
