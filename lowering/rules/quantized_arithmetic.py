"""Between floats and quantized tensors, and arithmetic on quantized tensors: one operation, or in floats."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.nnapi_types import GREATEST_STORED
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.in_floats import (
    as_floats,
    as_signed,
    dequantized,
    quantized,
    signed,
    unsigned,
)
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader, RuleError
from nnapi_check.lowering.emission.recipes import Recipe, full
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec, spec_of
from nnapi_check.lowering.nnapi.model import QuantParams


@lowers("aten.quantize_per_tensor.default", "aten.quantize_per_tensor.tensor_qparams", way="operation")
def quantize(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to QUANTIZE."""
    return emit.operation("QUANTIZE", [emit.input("self")])


@lowers("aten.dequantize.self", way="operation")
def dequantize(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEQUANTIZE."""
    return emit.operation("DEQUANTIZE", [emit.input("self")])


@lowers("aten.fake_quantize_per_tensor_affine.default", way="there-and-back")
def fake_quantize(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to QUANTIZE and DEQUANTIZE."""
    quant = QuantParams(node.real("scale"), node.integer("zero_point") - node.integer("quant_min"))
    steps = replace(emit.output_spec(), type=OperandType.TENSOR_QUANT8_ASYMM, quant=quant)
    return emit.operation("DEQUANTIZE", [emit.operation("QUANTIZE", [emit.input("self")], steps)])


@lowers("quantized.add.default", "quantized.add_relu.default", way="operation")
def add(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ADD."""
    return emit.operation("ADD", [emit.input("qa"), emit.input("qb"), emit.activation()])


@lowers("quantized.mul.default", "quantized.mul_relu.default", way="operation")
def mul(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL."""
    return emit.operation("MUL", [emit.input("qa"), emit.input("qb"), emit.activation()])


@lowers("quantized.mul.default", "quantized.mul_relu.default", way="in-floats")
def mul_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL of floats."""
    factors = [dequantized(emit, emit.input(name)) for name in ("qa", "qb")]
    return quantized(emit, emit.operation("MUL", [*factors, emit.activation()], as_floats(emit.output_spec())))


@lowers(
    "quantized.add_scalar.default",
    "quantized.add_scalar_relu.default",
    "quantized.add.Scalar",
    "quantized.add_relu.Scalar",
    way="operation",
)
def add_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ADD of a constant."""
    return emit.operation("ADD", [emit.input("qa"), emit.quantized_number(node.real("b")), emit.activation()])


@lowers(
    "quantized.mul_scalar.default",
    "quantized.mul_scalar_relu.default",
    "quantized.mul.Scalar",
    "quantized.mul_relu.Scalar",
    way="operation",
)
def mul_by_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL by a constant."""
    return emit.operation("MUL", [emit.input("qa"), emit.quantized_number(node.real("b")), emit.activation()])


@lowers("quantized.cat.default", way="operation")
def cat(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION."""
    return _joined(emit)


def _joined(emit: Emitter) -> OperandId:
    axis = emit.node.axis(emit.node.integer("dim"), emit.node.output_type().rank)
    return emit.operation("CONCATENATION", [*emit.inputs_of("qx"), emit.int32(axis)])


@lowers("quantized.cat_relu.default", way="operation")
def cat_relu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION and RELU."""
    return emit.operation("RELU", [_joined(emit)])


@lowers("quantized.relu6.default", way="operation")
def relu6(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU6."""
    return emit.operation("RELU6", [emit.input("qx")])


@lowers("quantized.hardswish.default", way="operation")
def hardswish(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to HARD_SWISH."""
    return emit.operation("HARD_SWISH", [emit.input("input")])


@lowers("quantized.hardswish.default", way="in-floats")
def hardswish_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ADD, RELU6 and MUL of floats."""
    x = dequantized(emit, emit.input("input"))
    spec = emit.spec(x)
    shifted = emit.operation("ADD", [x, emit.number(3.0, x), emit.fuse()], spec)
    clamped = emit.operation("RELU6", [shifted], spec)
    share = emit.operation("MUL", [clamped, emit.number(1 / 6, x), emit.fuse()], spec)
    return quantized(emit, emit.operation("MUL", [x, share, emit.fuse()], spec))


@lowers("quantized.sigmoid.default", way="operation")
def sigmoid(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOGISTIC."""
    return emit.operation("LOGISTIC", [emit.input("qx")])


@lowers("quantized.sigmoid.default", way="in-floats")
def sigmoid_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOGISTIC of floats."""
    x = dequantized(emit, emit.input("qx"))
    return quantized(emit, emit.operation("LOGISTIC", [x], emit.spec(x)))


@lowers("quantized.leaky_relu.default", way="operation")
def leaky_relu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PRELU with one slope."""
    return emit.operation("PRELU", [emit.input("qx"), emit.quantized_number(node.real("negative_slope"))])


@lowers("quantized.prelu.default", way="in-floats")
def prelu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to one * RELU(x) - slope * RELU(-x) of floats, with slopes along the channels.

    PyTorch holds the 1 of what is positive as it holds the slopes: rounded to their scale, and within their range.
    """
    slopes = spec_of(node.type_of("weight"), nhwc=False)
    if slopes is None:
        raise RuleError(f"{node.op}: NNAPI has no element type for its slopes")
    scale, zero_point = slopes.quant.scale, slopes.quant.zero_point
    one = (min(round(1 / scale) + zero_point, GREATEST_STORED) - zero_point) * scale
    x = dequantized(emit, emit.input("qx"))
    write = Elementwise(emit, x, emit.spec(x))
    above = write.scaled(write.of("RELU", x), one)
    below = write.of("RELU", write.negated(x))
    slope = emit.weight(node.by_channel(-node.constant("weight").dequantize().flatten()))
    return quantized(emit, write.add(above, write.mul(below, slope)))


@lowers("quantized.elu.default", "quantized.celu.default", way="in-floats")
def elu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ELU of floats."""
    x = dequantized(emit, emit.input("self"))
    return quantized(emit, emit.operation("ELU", [x, emit.scalar(node.real("alpha"), x)], emit.spec(x)))


@lowers("quantized.softmax.default", way="operation")
def softmax(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SOFTMAX along an axis."""
    return _softmax(emit, emit.input("qx"), emit.output_spec())


@lowers("quantized.softmax.default", way="in-floats")
def softmax_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SOFTMAX of floats along an axis."""
    x = dequantized(emit, emit.input("qx"))
    return quantized(emit, _softmax(emit, x, emit.spec(x)))


def _softmax(emit: Emitter, x: OperandId, made: TensorSpec) -> OperandId:
    axis = emit.node.axis(emit.node.integer("dim"), emit.node.output_type().rank)
    return emit.operation("SOFTMAX", [x, emit.scalar(1.0, x), emit.int32(axis)], made)


@lowers("quantized.matmul.default", way="of-signed-integers")
def matmul(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to BATCH_MATMUL of signed integers, which floats lead to and from."""
    factors = [signed(emit, emit.input(name)) for name in ("qa", "qb")]
    flags = [emit.boolean(False), emit.boolean(False)]
    return unsigned(emit, emit.operation("BATCH_MATMUL", [*factors, *flags], as_signed(emit.output_spec())))


@lowers("quantized.matmul.default", way="in-floats")
def matmul_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to BATCH_MATMUL of floats."""
    factors = [dequantized(emit, emit.input(name)) for name in ("qa", "qb")]
    flags = [emit.boolean(False), emit.boolean(False)]
    return quantized(emit, emit.operation("BATCH_MATMUL", [*factors, *flags], as_floats(emit.output_spec())))


_BATCH_NORMS = ("quantized.batch_norm.default", "quantized.batch_norm1d.default", "quantized.batch_norm2d.default")
_BATCH_NORMS_WITH_RELU = tuple(op.replace(".default", "_relu.default") for op in _BATCH_NORMS)


@lowers(*_BATCH_NORMS, way="in-floats")
def batch_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL and ADD of floats, one number a channel."""
    return quantized(emit, _affine(emit))


@lowers(*_BATCH_NORMS_WITH_RELU, way="in-floats")
def batch_norm_relu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL, ADD and RELU of floats, one number a channel."""
    x = _affine(emit)
    return quantized(emit, emit.operation("RELU", [x], emit.spec(x)))


def _affine(emit: Emitter) -> OperandId:
    mean = emit.node.constant("mean").flatten()
    factor = (emit.node.constant("var").flatten() + emit.node.real("eps")).rsqrt()
    if emit.node.has("weight"):
        factor = factor * emit.node.constant("weight").flatten()
    bias = emit.node.constant("bias").flatten() if emit.node.has("bias") else full(mean.shape, 0.0, mean.dtype)
    x = dequantized(emit, emit.input("qx"))
    spec = emit.spec(x)
    scaled = emit.operation("MUL", [x, _by_channel(emit, factor), emit.fuse()], spec)
    return emit.operation("ADD", [scaled, _by_channel(emit, bias - mean * factor), emit.fuse()], spec)


def _by_channel(emit: Emitter, numbers: Recipe) -> OperandId:
    return emit.weight(emit.node.by_channel(numbers))
