"""Contractions of two tensors, which a rewrite made of einsum: products of matrices between permutations."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.held_axes import held_shape
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.runs.one_permutation import merged_order
from nnapi_check.lowering.compositions.element_moves import rearranged
from nnapi_check.lowering.compositions.matrix_pairs import (
    Multiply,
    Pairs,
    multiply_batches,
    multiply_in_depth,
    multiply_in_groups,
)
from nnapi_check.lowering.compositions.matrix_product import permuted, reshaped, row_product, zero_bias
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


def _arranged(emit: Emitter, name: str, side: str) -> OperandId:
    """A factor as [batch, rows or columns, sums]: by its recipe where it is constant."""
    order, shape = emit.node.ints(f"{side}_order"), emit.node.ints(f"{side}_shape")
    if emit.node.is_constant(name):
        return emit.weight(emit.node.constant(name).permute(*order).reshape(*shape))
    return reshaped(emit, _in_order(emit, emit.input(name), emit.node.shape_of(name), order), shape)


def _in_order(emit: Emitter, x: OperandId, sizes: tuple[int, ...], order: tuple[int, ...]) -> OperandId:
    """A tensor of these sizes with its dimensions in another order, as far as its operand has so many."""
    if order == tuple(range(len(order))):
        emit.spare()
        return x
    if len(order) > MAX_RANK:
        return rearranged(emit, x, *merged_order(sizes, order))
    return permuted(emit, x, order)


def _wide(emit: Emitter) -> TensorSpec:
    return replace(emit.output_spec(), shape=held_shape(emit.node.ints("wide") or (1,), nhwc=False))


@lowers("nnapi_check.contract.default", way="constant-matrix")
def contract_with_matrix(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED."""
    _, units, sums = node.ints("right_shape")
    matrix = emit.weight(node.constant("other").permute(*node.ints("right_order")).reshape(units, sums))
    return row_product(emit, emit.input("self"), matrix, zero_bias(emit, units, "self"), _wide(emit))


@lowers("nnapi_check.contract.default", way="batched")
def contract(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to BATCH_MATMUL."""
    return _contracted(emit, multiply_batches)


@lowers("nnapi_check.contract.default", way="computed-matrix")
def contract_with_computed_matrix(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED between permutations."""
    _, units, sums = node.ints("right_shape")
    matrix = reshaped(emit, _arranged(emit, "other", "right"), (units, sums))
    made = row_product(emit, _arranged(emit, "self", "left"), matrix, zero_bias(emit, units, "self"), _wide(emit))
    return _ordered_output(emit, made)


@lowers("nnapi_check.contract.default", way="grouped")
def contract_in_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GROUPED_CONV_2D between permutations."""
    return _contracted(emit, multiply_in_groups)


@lowers("nnapi_check.contract.default", way="depthwise")
def contract_in_depth(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D between permutations."""
    return _contracted(emit, multiply_in_depth)


def _contracted(emit: Emitter, multiply: Multiply) -> OperandId:
    batch, rows, _ = emit.node.ints("left_shape")
    columns = emit.node.ints("right_shape")[1]
    output = replace(emit.output_spec(), shape=(batch, rows, columns))
    pairs = Pairs(_arranged(emit, "self", "left"), _arranged(emit, "other", "right"), is_turned=True)
    made = multiply(emit, pairs, output)
    return _ordered_output(emit, reshaped(emit, made, _wide(emit).shape))


def _ordered_output(emit: Emitter, made: OperandId) -> OperandId:
    """The products, whose dimensions are those of ``wide``, as the output has them."""
    ordered = _in_order(emit, made, emit.node.ints("wide") or (1,), emit.node.ints("output_order"))
    return reshaped(emit, ordered, emit.output_spec().shape)
