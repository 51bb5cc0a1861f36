"""Activations that are composed of others, and gates that multiply a tensor with a function of itself."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from nnapi_check.lowering.compositions.elementwise import Elementwise, complementary, log_of_one_plus
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_GELU_INNER = sqrt(2 / 3.141592653589793)
_GELU_CUBIC = 0.044715


@lowers("aten.gelu.default", way="rational")
def gelu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x) - |x| / 2 * (1 - erf(|x| / sqrt(2))), with a rational form of the last factor."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    size = write.of("ABS", x)
    tail = complementary(write, write.scaled(size, sqrt(0.5)))
    return write.add(write.of("RELU", x), write.mul(write.scaled(size, -0.5), tail))


@lowers("aten.gelu.default", way="tanh form")
@lowers("aten.gelu.default", way="approximate")
def tanh_gelu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x / 2 * (1 + TANH(sqrt(2 / pi) * (x + 0.044715 x^3)))."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    curve = write.shifted(write.scaled(write.mul(x, x), _GELU_INNER * _GELU_CUBIC), _GELU_INNER)
    gate = write.shifted(write.scaled(write.of("TANH", write.mul(curve, x)), 0.5), 0.5)
    return write.mul(x, gate)


@lowers("aten.elu.default", way="operation")
def elu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ELU."""
    x = emit.input("self")
    return emit.operation("ELU", [x, emit.scalar(node.real("alpha"), x)])


@lowers("aten.elu.default", way="composed")
def composed_elu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to scale * RELU(x) + scale * alpha * (EXP(-input_scale * RELU(-x)) - 1)."""
    scale = node.real("scale")
    return _exponential_unit(emit, scale, scale * node.real("alpha"), node.real("input_scale"))


@lowers("aten.celu.default", way="composed")
def celu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x) + alpha * (EXP(-RELU(-x) / alpha) - 1)."""
    alpha = node.real("alpha")
    return _exponential_unit(emit, 1.0, alpha, 1 / alpha)


@lowers("aten.selu.default", way="composed")
def selu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to its fixed factors around RELU and EXP."""
    return _exponential_unit(emit, _SELU_SCALE, _SELU_SCALE * _SELU_ALPHA, 1.0)


def _exponential_unit(emit: Emitter, above: float, below: float, steepness: float) -> OperandId:
    """above * RELU(x) + below * (EXP(-steepness * RELU(-x)) - 1)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    power = write.of("EXP", write.scaled(write.of("RELU", write.negated(x)), -steepness))
    falling = write.shifted(write.scaled(power, below), -below)
    return write.add(write.scaled(write.of("RELU", x), above), falling)


@lowers("aten.mish.default", way="composed")
def mish(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x * s * (1 + t) / (1 + t^2), where s is LOGISTIC(x) and t is LOGISTIC(-x).

    This is tanh(log(1 + exp(x))) without logarithms, and without a difference that would cancel.
    """
    x = emit.input("self")
    write = Elementwise(emit, x)
    rising, falling = write.of("LOGISTIC", x), write.of("LOGISTIC", write.negated(x))
    above = write.mul(write.mul(x, rising), write.shifted(falling, 1.0))
    return write.div(above, write.shifted(write.mul(falling, falling), 1.0))


@lowers("aten.softplus.default", way="composed")
def softplus(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x) + LOG(1 + EXP(-beta * |x|)) / beta."""
    x, beta = emit.input("self"), node.real("beta")
    write = Elementwise(emit, x)
    tail = log_of_one_plus(write, write.of("EXP", write.scaled(write.of("ABS", x), -beta)))
    return write.add(write.of("RELU", x), write.scaled(tail, 1 / beta))


@lowers("aten.log_sigmoid.default", way="composed")
def log_sigmoid(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to -RELU(-x) - LOG(1 + EXP(-|x|))."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    tail = log_of_one_plus(write, write.of("EXP", write.negated(write.of("ABS", x))))
    return write.negated(write.add(tail, write.of("RELU", write.negated(x))))


@lowers("aten.softshrink.default", way="composed")
def softshrink(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x - lambd) - RELU(-x - lambd)."""
    x, lambd = emit.input("self"), node.real("lambd")
    write = Elementwise(emit, x)
    above = write.of("RELU", write.shifted(x, -lambd))
    below = write.of("RELU", write.shifted(write.negated(x), -lambd))
    return write.add(above, write.negated(below))


@lowers("aten.rrelu.default", way="operation")
def rrelu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PRELU with the mean of both slopes."""
    x = emit.input("self")
    return emit.operation("PRELU", [x, emit.number((node.real("lower") + node.real("upper")) / 2, x)])


@lowers("aten.glu.default", way="split")
def glu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SPLIT in two, LOGISTIC and MUL."""
    x = emit.input("self")
    axis = node.axis(node.integer("dim"), node.type_of("self").rank)
    half = emit.output_spec()
    first, second = emit.operations("SPLIT", [x, emit.int32(axis), emit.int32(2)], [half, half])
    write = Elementwise(emit, x)
    return write.mul(first, write.of("LOGISTIC", second))


@lowers("aten.glu.default", way="sliced")
def sliced_glu(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to two of STRIDED_SLICE, LOGISTIC and MUL."""
    x = emit.input("self")
    shape = emit.spec(x).shape
    axis = node.axis(node.integer("dim"), len(shape))
    middle = shape[axis] // 2
    first = _slice(emit, x, axis, 0, middle)
    second = _slice(emit, x, axis, middle, shape[axis])
    write = Elementwise(emit, x)
    return write.mul(first, write.of("LOGISTIC", second))


def _slice(emit: Emitter, x: OperandId, axis: int, start: int, stop: int) -> OperandId:
    spec = emit.spec(x)
    rank = len(spec.shape)
    begin = [start if place == axis else 0 for place in range(rank)]
    end = [stop if place == axis else size for place, size in enumerate(spec.shape)]
    bounds = [emit.int32_tensor(begin), emit.int32_tensor(end), emit.int32_tensor([1] * rank)]
    masks = [emit.int32(0), emit.int32(0), emit.int32(0)]
    shape = tuple(last - first for first, last in zip(begin, end, strict=True))
    return emit.operation("STRIDED_SLICE", [x, *bounds, *masks], replace(spec, shape=shape))
