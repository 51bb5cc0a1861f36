"""Matrix products: FULLY_CONNECTED with the second matrix transposed, and products of matrices in pairs."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnapi_check.lowering.compositions.matrix_pairs import (
    Multiply,
    Pairs,
    factor,
    multiply_batches,
    multiply_in_depth,
    multiply_in_groups,
)
from nnapi_check.lowering.compositions.matrix_product import (
    permuted,
    reshaped,
    row_product,
    transposed_matrix,
    zero_bias,
)
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe, full
from nnapi_check.lowering.emission.rule_table import lowers

_FACTORS = {
    "aten.matmul.default": ("self", "other"),
    "aten.mm.default": ("self", "mat2"),
    "aten.bmm.default": ("self", "mat2"),
    "aten.baddbmm.default": ("batch1", "batch2"),
    "aten.mv.default": ("self", "vec"),
    "aten.dot.default": ("self", "tensor"),
    "aten.vdot.default": ("self", "other"),
    "aten.addmv.default": ("mat", "vec"),
    "aten.inner.default": ("self", "other"),
}
"""What the two factors of each product are called."""


@lowers("aten.linear.default", way="constant-weight")
@lowers("aten.linear.default", way="fully-connected")
def linear(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED, its input as rows, constant weights in the order of the input's features."""
    units = node.type_of("weight").shape[0]
    bias = emit.input("bias") if node.has("bias") else zero_bias(emit, units, "weight")
    return row_product(emit, emit.input("input"), _linear_weight(emit), bias, emit.output_spec())


def _linear_weight(emit: Emitter) -> OperandId:
    if not emit.node.is_constant("weight"):
        return emit.input("weight")
    return emit.weight(emit.node.in_feature_order(emit.node.constant("weight"), "input", axis=1))


def _weighted(recipe: Recipe, factor: float) -> Recipe:
    return recipe if factor == 1.0 else recipe * factor


@lowers("aten.addmm.default", way="fully-connected")
def addmm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED, alpha in its weights and beta in its bias."""
    ordered = node.in_feature_order(node.constant("mat2"), "mat1", axis=0)
    matrix = _weighted(ordered.transpose(0, 1), node.real("alpha"))
    bias = _weighted(node.constant("self").flatten(), node.real("beta"))
    return row_product(emit, emit.input("mat1"), emit.weight(matrix), emit.weight(bias), emit.output_spec())


@lowers("aten.addmm.default", way="product-and-sum")
@lowers("aten.addmm.default", way="computed-matrix")
def addmm_in_steps(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED, and MUL and ADD for the rest."""
    units = node.type_of("mat2").shape[1]
    # TorchScript takes an op of this name apart, so that a single column is repeated to the width of what is added.
    output = replace(emit.output_spec(), shape=(node.type_of("mat1").shape[0], units))
    bias = zero_bias(emit, units, "mat1")
    product = row_product(emit, emit.input("mat1"), transposed_matrix(emit, "mat2"), bias, output)
    return _weighted_sum(emit, product, drops_product=True)


def _weighted_sum(emit: Emitter, product: OperandId, *, drops_product: bool = False) -> OperandId:
    """``beta * self + alpha * product``; a beta of 0 leaves self out, undefined numbers included.

    So does an alpha of 0 with the product where the op ``drops_product``.
    """
    if drops_product and emit.node.real("alpha") == 0.0:
        product = emit.weight(full(emit.output_spec().shape, 0.0, emit.node.output_type().dtype))
    weighted = _times(emit, product, emit.node.real("alpha"))
    if emit.node.real("beta") == 0.0:
        return weighted
    added = _times(emit, emit.input("self"), emit.node.real("beta"))
    return emit.operation("ADD", [weighted, added, emit.fuse()])


def _times(emit: Emitter, operand: OperandId, factor: float) -> OperandId:
    if factor == 1.0:
        return operand
    return emit.operation("MUL", [operand, emit.number(factor, operand), emit.fuse()], emit.spec(operand))


@lowers("aten.matmul.default", "aten.mm.default", way="constant-matrix")
@lowers("aten.matmul.default", "aten.mm.default", way="computed-matrix")
def product_by_matrix(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED with the second matrix transposed."""
    left, right = _FACTORS[node.op]
    matrix = transposed_matrix(emit, right)
    bias = zero_bias(emit, emit.spec(matrix).shape[0], left)
    return row_product(emit, emit.input(left), matrix, bias, emit.output_spec())


@lowers("aten.matmul.default", "aten.mv.default", "aten.dot.default", "aten.vdot.default", way="vector")
@lowers("aten.inner.default", way="rows")
def product_by_rows(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED with the rows of the second tensor, or the vector that it is, as its weights."""
    return _product_by_rows(emit, *_FACTORS[node.op])


def _product_by_rows(emit: Emitter, left: str, right: str) -> OperandId:
    *rows, width = emit.node.type_of(right).shape
    matrix = _shaped_argument(emit, right, (prod(rows), width))
    return row_product(emit, emit.input(left), matrix, zero_bias(emit, prod(rows), left), emit.output_spec())


@lowers("aten.addmv.default", way="vector")
def addmv(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED with the vector as its weights, MUL and ADD."""
    return _weighted_sum(emit, _product_by_rows(emit, *_FACTORS[node.op]), drops_product=True)


def _shaped_argument(emit: Emitter, name: str, shape: tuple[int, ...]) -> OperandId:
    """A tensor argument in another shape: by its recipe where it is constant, else by a RESHAPE."""
    if emit.node.is_constant(name):
        return emit.weight(emit.node.constant(name).reshape(*shape))
    return reshaped(emit, emit.input(name), shape)


@lowers("aten.matmul.default", "aten.mm.default", way="constant-left")
def product_by_left_matrix(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED by the left matrix, between two changes of the last two dimensions."""
    left, right = _FACTORS[node.op]
    swapped = (*range(node.type_of(right).rank - 2), node.type_of(right).rank - 1, node.type_of(right).rank - 2)
    matrix = emit.input(left)
    columns = permuted(emit, emit.input(right), swapped)
    output = emit.output_spec()
    turned = replace(output, shape=tuple(output.shape[axis] for axis in swapped))
    bias = zero_bias(emit, emit.spec(matrix).shape[0], left)
    return permuted(emit, row_product(emit, columns, matrix, bias, turned), swapped)


@lowers("aten.matmul.default", "aten.mm.default", "aten.bmm.default", way="batched")
def batched_product(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to BATCH_MATMUL."""
    return _pair_products(emit, multiply_batches)


@lowers("aten.matmul.default", "aten.bmm.default", way="grouped")
def grouped_product(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GROUPED_CONV_2D."""
    return _pair_products(emit, multiply_in_groups)


@lowers("aten.matmul.default", "aten.bmm.default", way="depthwise")
def depthwise_product(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D."""
    return _pair_products(emit, multiply_in_depth)


def _pair_products(emit: Emitter, multiply: Multiply) -> OperandId:
    left, right = (factor(emit, name) for name in _FACTORS[emit.node.op])
    return multiply(emit, Pairs(left, right), emit.output_spec())


@lowers("aten.baddbmm.default", way="batched")
def baddbmm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to BATCH_MATMUL, MUL and ADD."""
    return _weighted_sum(emit, _pair_products(emit, multiply_batches))


@lowers("aten.baddbmm.default", way="grouped")
def baddbmm_grouped(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GROUPED_CONV_2D, MUL and ADD."""
    return _weighted_sum(emit, _pair_products(emit, multiply_in_groups))


@lowers("aten.baddbmm.default", way="depthwise")
def baddbmm_depthwise(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D, MUL and ADD."""
    return _weighted_sum(emit, _pair_products(emit, multiply_in_depth))


@lowers("aten.addbmm.default", way="one-product")
def addbmm(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to one FULLY_CONNECTED, MUL and ADD: summed products are those of the matrices side by side."""
    batches, _, inner = node.shape_of("batch1")
    columns = node.shape_of("batch2")[2]
    rows = permuted(emit, emit.input("batch1"), (1, 0, 2))
    matrix = reshaped(emit, permuted(emit, emit.input("batch2"), (2, 0, 1)), (columns, batches * inner))
    product = row_product(emit, rows, matrix, zero_bias(emit, columns, "batch1"), emit.output_spec())
    return _weighted_sum(emit, product, drops_product=True)


@lowers("aten.outer.default", way="operation")
def outer(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL of a column by a row."""
    return _outer(emit, "self", "vec2")


def _outer(emit: Emitter, left: str, right: str) -> OperandId:
    column = reshaped(emit, emit.input(left), (emit.node.output_type().shape[0], 1))
    return emit.operation("MUL", [column, emit.input(right), emit.fuse()])


@lowers("aten.addr.default", way="composed")
def addr(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL of a column by a row, MUL by the factors, and ADD."""
    return _weighted_sum(emit, _outer(emit, "vec1", "vec2"))


@lowers("aten.bilinear.default", way="composed")
def bilinear(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the outer product of each pair of rows, flattened, by FULLY_CONNECTED."""
    units, first, second = node.type_of("weight").shape
    output = emit.output_spec()
    rows = node.output_type().numel // units
    column = reshaped(emit, emit.input("input1"), (rows, first, 1))
    row = reshaped(emit, emit.input("input2"), (rows, 1, second))
    pairs = emit.operation("MUL", [column, row, emit.fuse()], replace(output, shape=(rows, first, second)))
    matrix = _shaped_argument(emit, "weight", (units, first * second))
    bias = emit.input("bias") if node.has("bias") else zero_bias(emit, units, "weight")
    return row_product(emit, pairs, matrix, bias, output)
