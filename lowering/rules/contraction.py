"""Contractions of two tensors, which a rewrite made of einsum: products of matrices between permutations."""

from __future__ import annotations

from dataclasses import replace

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
    return reshaped(emit, _in_order(emit, emit.input(name), order), shape)


def _in_order(emit: Emitter, x: OperandId, order: tuple[int, ...]) -> OperandId:
    if order == tuple(range(len(order))):
        emit.spare()
        return x
    return permuted(emit, x, order)


def _wide(emit: Emitter) -> TensorSpec:
    return replace(emit.output_spec(), shape=emit.node.ints("wide") or (1,))


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
    return _in_order(emit, made, node.ints("output_order"))


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
    return _in_order(emit, reshaped(emit, made, _wide(emit).shape), emit.node.ints("output_order"))
