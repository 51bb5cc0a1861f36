"""Normalizations: by running statistics as one factor and term a channel, or by statistics of the input."""

from __future__ import annotations

from dataclasses import replace
from math import prod, sqrt

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.element_moves import reshaped
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.in_floats import dequantized, quantized
from nnapi_check.lowering.compositions.statistics import mean_over, standardized
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe, concatenate, from_call, full
from nnapi_check.lowering.emission.rule_table import lowers

_FLOAT32_EPSILON = 2.0**-23
"""PyTorch's default for ``eps`` in ``rms_norm``."""


@lowers("aten.batch_norm.default", "aten.instance_norm.default", way="affine")
def batch_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL and ADD of one number a channel."""
    mean, variance = (_channels(emit, name) for name in ("running_mean", "running_var"))
    factor = (variance + node.real("eps")).rsqrt()
    if node.has("weight"):
        factor = factor * _channels(emit, "weight")
    term = -(mean * factor)
    if node.has("bias"):
        term = term + _channels(emit, "bias")
    scaled = emit.operation("MUL", [emit.input("input"), _by_channel(emit, factor), emit.fuse()])
    return emit.operation("ADD", [scaled, _by_channel(emit, term), emit.fuse()])


def _channels(emit: Emitter, name: str) -> Recipe:
    """A constant of one number a channel, of which PyTorch reads no shape."""
    return emit.node.constant(name).flatten().cast(ElementType.FLOAT32)


def _by_channel(emit: Emitter, numbers: Recipe) -> OperandId:
    """One number a channel, the second of PyTorch's dimensions, in the input's layout and element type: of floats."""
    kind = emit.node.type_of("input")
    return emit.weight(emit.node.by_channel(numbers).cast(ElementType.FLOAT32 if kind.is_quantized else kind.dtype))


def _affine_by_channel(emit: Emitter, x: OperandId) -> OperandId:
    """Times weight and plus bias, where the node has them."""
    spec = emit.spec(x)
    if emit.node.has("weight"):
        x = emit.operation("MUL", [x, _by_channel(emit, emit.node.constant("weight")), emit.fuse()], spec)
    if emit.node.has("bias"):
        x = emit.operation("ADD", [x, _by_channel(emit, emit.node.constant("bias")), emit.fuse()], spec)
    return x


@lowers("aten.layer_norm.default", way="composed")
def layer_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the deviation from MEAN times RSQRT of the variance, then weight and bias."""
    return _layer_norm(emit, emit.input("input"))


@lowers("quantized.layer_norm.default", way="in-floats")
def layer_norm_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same of floats."""
    return quantized(emit, _layer_norm(emit, dequantized(emit, emit.input("input"))))


def _layer_norm(emit: Emitter, x: OperandId) -> OperandId:
    node, spec = emit.node, emit.spec(x)
    found = standardized(emit, x, _last_axes(node), node.real("eps"), spec)
    if node.has("weight"):
        found = emit.operation("MUL", [found, emit.input("weight"), emit.fuse()], spec)
    if node.has("bias"):
        found = emit.operation("ADD", [found, emit.input("bias"), emit.fuse()], spec)
    return found


@lowers("aten.rms_norm.default", way="composed")
def rms_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x times RSQRT of the MEAN of its squares, then weight."""
    x = emit.input("input")
    squares = emit.operation("MUL", [x, x, emit.fuse()], emit.spec(x))
    mean = mean_over(emit, squares, _last_axes(node))
    epsilon = node.real("eps") if node.has("eps") else _FLOAT32_EPSILON
    spec = emit.spec(mean)
    root = emit.operation("RSQRT", [emit.operation("ADD", [mean, emit.number(epsilon, x), emit.fuse()], spec)], spec)
    found = emit.operation("MUL", [x, root, emit.fuse()])
    return emit.operation("MUL", [found, emit.input("weight"), emit.fuse()]) if node.has("weight") else found


def _last_axes(node: NodeReader) -> tuple[int, ...]:
    rank = node.type_of("input").rank
    return tuple(node.axis(axis, rank) for axis in range(rank - len(node.ints("normalized_shape")), rank))


@lowers("aten.layer_norm.default", way="products")
def layer_norm_by_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to L2_NORMALIZATION of deviations from the mean, which exists from feature level 1.

    The mean is a product by FULLY_CONNECTED, taken away twice as in ``centered``. What CONCATENATION appends is
    sqrt(n * eps), so that the length of a row is sqrt(n * (variance + eps)). The last FULLY_CONNECTED takes that
    element away again, and holds sqrt(n), weight and bias.
    """
    x = emit.input("input")
    spec = emit.spec(x)
    n = spec.shape[-1]
    rows = prod(spec.shape[:-1])
    plain, column, wide = (replace(spec, shape=(rows, width)) for width in (n, 1, n + 1))
    found = emit.operation("RESHAPE", [x, emit.int32_tensor(plain.shape)], plain)
    kind = ElementType.FLOAT32
    for _ in range(2):
        share = emit.weight(full((1, n), -1 / n, kind)), emit.weight(full((1,), 0.0, kind))
        opposite = emit.operation("FULLY_CONNECTED", [found, *share, emit.fuse()], column)
        found = emit.operation("ADD", [found, opposite, emit.fuse()], plain)
    appended = emit.weight(full(column.shape, sqrt(n * node.real("eps")), kind))
    lengthened = emit.operation("CONCATENATION", [found, appended, emit.int32(1)], wide)
    deep = replace(spec, shape=(1, 1, rows, n + 1))
    image = emit.operation("RESHAPE", [lengthened, emit.int32_tensor(deep.shape)], deep)
    unit = emit.operation("L2_NORMALIZATION", [image], deep)
    flat = emit.operation("RESHAPE", [unit, emit.int32_tensor(wide.shape)], wide)
    made = emit.operation("FULLY_CONNECTED", [flat, *_scaling(emit, n), emit.fuse()], plain)
    return emit.operation("RESHAPE", [made, emit.int32_tensor(emit.output_spec().shape)])


def _scaling(emit: Emitter, n: int) -> tuple[OperandId, OperandId]:
    kind = ElementType.FLOAT32
    square = _identity(n) * sqrt(n)
    if emit.node.has("weight"):
        square = square * emit.node.constant("weight").reshape(n, 1)
    bias = emit.node.constant("bias") if emit.node.has("bias") else full((n,), 0.0, kind)
    return emit.weight(concatenate((square, full((n, 1), 0.0, kind)), 1)), emit.weight(bias)


def _identity(n: int) -> Recipe:
    return from_call("aten.eye.default", (n,), shape=(n, n), dtype=ElementType.FLOAT32)


@lowers("aten.group_norm.default", way="image")
def group_norm_of_image(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to statistics over pixels and channels of a group, the groups made a dimension by RESHAPE."""
    return _grouped_image(emit, emit.input("input"))


@lowers("quantized.group_norm.default", way="image in floats")
def group_norm_of_image_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same of floats."""
    return quantized(emit, _grouped_image(emit, dequantized(emit, emit.input("input"))))


def _grouped_image(emit: Emitter, x: OperandId) -> OperandId:
    batch, height, width, channels = emit.spec(x).shape
    groups = emit.node.integer("num_groups")
    return _grouped(emit, x, (batch, height * width, groups, channels // groups), (1, 3))


@lowers("aten.group_norm.default", way="rows")
def group_norm_of_rows(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to statistics over rows, one for each group."""
    return _grouped_rows(emit, emit.input("input"))


@lowers("quantized.group_norm.default", way="rows in floats")
def group_norm_of_rows_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same of floats."""
    return quantized(emit, _grouped_rows(emit, dequantized(emit, emit.input("input"))))


def _grouped_rows(emit: Emitter, x: OperandId) -> OperandId:
    shape = emit.spec(x).shape
    groups = emit.node.integer("num_groups")
    return _grouped(emit, x, (shape[0], groups, prod(shape[1:]) // groups), (2,))


def _grouped(emit: Emitter, x: OperandId, shape: tuple[int, ...], axes: tuple[int, ...]) -> OperandId:
    spec = replace(emit.spec(x), shape=shape)
    found = standardized(emit, reshaped(emit, x, shape), axes, emit.node.real("eps"), spec)
    return _affine_by_channel(emit, reshaped(emit, found, emit.output_spec().shape))


@lowers("aten.instance_norm.default", way="operation")
def instance_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to INSTANCE_NORMALIZATION without factors, then weight and bias by channel."""
    return _instance_norm(emit, emit.input("input"))


@lowers("quantized.instance_norm.default", way="image in floats")
def instance_norm_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same of floats."""
    return quantized(emit, _instance_norm(emit, dequantized(emit, emit.input("input"))))


def _instance_norm(emit: Emitter, x: OperandId) -> OperandId:
    numbers = [emit.scalar(number, x) for number in (1.0, 0.0, emit.node.real("eps"))]
    inputs = [x, *numbers, emit.boolean(False)]
    return _affine_by_channel(emit, emit.operation("INSTANCE_NORMALIZATION", inputs, emit.spec(x)))


@lowers("aten.instance_norm.default", way="rows")
def instance_norm_of_rows(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to statistics over all but the first two dimensions."""
    return _instance_norm_of_rows(emit, emit.input("input"))


@lowers("quantized.instance_norm.default", way="rows in floats")
def instance_norm_of_rows_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same of floats."""
    return quantized(emit, _instance_norm_of_rows(emit, dequantized(emit, emit.input("input"))))


def _instance_norm_of_rows(emit: Emitter, x: OperandId) -> OperandId:
    spec = emit.spec(x)
    axes = tuple(range(2, len(spec.shape)))
    return _affine_by_channel(emit, standardized(emit, x, axes, emit.node.real("eps"), spec))


@lowers("nnapi_check.local_response_norm.default", way="operation")
def local_response_norm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOCAL_RESPONSE_NORMALIZATION, whose window has a radius and whose alpha is not divided."""
    x, size = emit.input("self"), node.integer("size")
    numbers = (node.real("k"), node.real("alpha") / size, node.real("beta"))
    scalars = [emit.scalar(number, x) for number in numbers]
    return emit.operation("LOCAL_RESPONSE_NORMALIZATION", [x, emit.int32(size // 2), *scalars])


@lowers("nnapi_check.local_response_norm.default", way="products")
def local_response_norm_by_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x * POW(k + squares times a band of alpha / size, -beta)."""
    x, size = emit.input("self"), node.integer("size")
    spec = emit.spec(x)
    channels = spec.shape[-1]
    write = Elementwise(emit, x)
    rows = replace(spec, shape=(prod(spec.shape[:-1]), channels))
    squares = emit.operation("RESHAPE", [write.mul(x, x), emit.int32_tensor(rows.shape)], rows)
    dtype = node.output_type().dtype
    band = emit.weight(_band(channels, size, node.real("alpha") / size, dtype))
    bias = emit.weight(full((channels,), node.real("k"), dtype))
    sums = emit.operation("FULLY_CONNECTED", [squares, band, bias, emit.fuse()], rows)
    factors = emit.operation("RESHAPE", [sums, emit.int32_tensor(spec.shape)], spec)
    return write.mul(x, write.of("POW", factors, write.number(-node.real("beta"))))


def _band(channels: int, size: int, weight: float, dtype: ElementType) -> Recipe:
    """Row i holds the weight for the channels from i - size // 2 to i + (size - 1) // 2."""
    square, whole = (channels, channels), full((channels, channels), weight, dtype)
    below = from_call("aten.triu.default", (whole, -(size // 2)), shape=square, dtype=dtype)
    return from_call("aten.tril.default", (below, (size - 1) // 2), shape=square, dtype=dtype)
