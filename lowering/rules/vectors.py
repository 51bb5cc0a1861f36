"""Products of vectors that stand along a dimension."""

from __future__ import annotations

from nnapi_check.lowering.compositions.element_moves import Cut, cut, joined
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers


@lowers("aten.linalg_vecdot.default", way="composed")
def vecdot(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL and REDUCE_SUM."""
    x = emit.input("x")
    products = Elementwise(emit, x, emit.spec(x)).mul(x, emit.input("y"))
    axis = node.axis(node.integer("dim"), node.type_of("x").rank)
    return emit.operation("REDUCE_SUM", [products, emit.int32_tensor((axis,)), emit.boolean(False)])


@lowers("aten.linalg_cross.default", "aten.cross.default", way="rotated")
def cross(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x * r(y) - y * r(x), rotated by r, which takes the first of three numbers to the end."""
    x, y = emit.input("self"), emit.input("other")
    write = Elementwise(emit, x)
    axis = node.axis(node.integer("dim"), node.output_type().rank)
    rotated_x, rotated_y = (_rotated(emit, side, axis) for side in (x, y))
    return _rotated(emit, write.sub(write.mul(x, rotated_y), write.mul(y, rotated_x)), axis)


def _rotated(emit: Emitter, x: OperandId, axis: int) -> OperandId:
    return joined(emit, [cut(emit, x, {axis: part}) for part in (Cut(1, 2), Cut(0, 1))], axis)
