"""Contractions of two tensors, which a rewrite made of einsum: products of matrices between permutations."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.lowering.compositions.matrix_product import (
    matrix_at,
    pair_products,
    permuted,
    reshaped,
    row_product,
    zero_bias,
)
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
    return x if order == tuple(range(len(order))) else permuted(emit, x, order)


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
    left, right = _arranged(emit, "self", "left"), _arranged(emit, "other", "right")
    batch, rows, _ = node.ints("left_shape")
    columns = node.ints("right_shape")[1]
    output = replace(emit.output_spec(), shape=(batch, rows, columns))
    made = emit.operation("BATCH_MATMUL", [left, right, emit.boolean(False), emit.boolean(True)], output)
    return _in_order(emit, reshaped(emit, made, _wide(emit).shape), node.ints("output_order"))


@lowers("nnapi_check.contract.default", way="one-by-one")
def contract_one_by_one(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a FULLY_CONNECTED for each pair of matrices."""
    left, right = _arranged(emit, "self", "left"), _arranged(emit, "other", "right")
    count, columns, _ = node.ints("right_shape")
    bias = zero_bias(emit, columns, "self")
    lefts, rights = ([matrix_at(emit, whole, index) for index in range(count)] for whole in (left, right))
    made = pair_products(emit, lefts, rights, bias, _wide(emit))
    return _in_order(emit, made, node.ints("output_order"))
