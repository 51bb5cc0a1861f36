"""Softmax and its like, whose axis NNAPI can name only from feature level 3."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnapi_check.lowering.compositions.element_moves import last_order, restored, transposed
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_SOFTMAX = ("aten.softmax.int", "aten._softmax.default")


@lowers(*_SOFTMAX, way="last dimension")
@lowers(*_SOFTMAX, way="channels last")
def softmax_last(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SOFTMAX of the dimension that stands last."""
    x = emit.input("self")
    return emit.operation("SOFTMAX", [x, emit.scalar(1.0, x)])


@lowers(*_SOFTMAX, way="axis")
def softmax_axis(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SOFTMAX with an axis."""
    x = emit.input("self")
    axis = node.axis(node.integer("dim"), node.type_of("self").rank)
    return emit.operation("SOFTMAX", [x, emit.scalar(1.0, x), emit.int32(axis)])


@lowers("aten.log_softmax.int", "aten._log_softmax.default", way="operation")
def log_softmax(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOG_SOFTMAX with an axis."""
    x = emit.input("self")
    axis = node.axis(node.integer("dim"), node.type_of("self").rank)
    return emit.operation("LOG_SOFTMAX", [x, emit.scalar(1.0, x), emit.int32(axis)])


@lowers(*_SOFTMAX, way="as a matrix")
def softmax_as_matrix(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SOFTMAX of a matrix, whose rows are the last dimension."""
    x = emit.input("self")
    return _matrix_softmax(emit, x, emit.output_spec())


@lowers(*_SOFTMAX, way="permuted")
def softmax_permuted(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SOFTMAX of a matrix, the dimension moved to the end before and back after."""
    x = emit.input("self")
    rank = len(emit.spec(x).shape)
    order = last_order(rank, node.integer("dim") % rank)
    moved = transposed(emit, x, order)
    return restored(emit, _matrix_softmax(emit, moved, emit.spec(moved)), order)


def _matrix_softmax(emit: Emitter, x: OperandId, wanted: TensorSpec) -> OperandId:
    """SOFTMAX along the last dimension of a tensor of any rank, by way of a matrix."""
    spec = emit.spec(x)
    matrix = replace(spec, shape=(prod(spec.shape[:-1]), spec.shape[-1]))
    flat = emit.operation("RESHAPE", [x, emit.int32_tensor(matrix.shape)], matrix)
    softened = emit.operation("SOFTMAX", [flat, emit.scalar(1.0, x)], matrix)
    return emit.operation("RESHAPE", [softened, emit.int32_tensor(wanted.shape)], wanted)
