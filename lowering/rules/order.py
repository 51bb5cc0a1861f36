"""Ops that tell elements by their order."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.element_moves import Cut, boxed, last_order, reshaped, transposed
from nnapi_check.lowering.compositions.elementwise import truth_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


@lowers("aten.topk.default", way="operation")
def topk(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to TOPK_V2."""
    return _largest(emit, emit.input("self"), node.integer("k"))


@lowers("aten.topk.default", way="smallest")
def least(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to TOPK_V2 between two NEG."""
    x = emit.input("self")
    values, places = _largest(emit, emit.operation("NEG", [x], emit.spec(x)), node.integer("k"))
    return emit.operation("NEG", [values], emit.spec(values)), places


@lowers("aten.kthvalue.default", way="last dimension")
@lowers("aten.kthvalue.default", way="another dimension")
def kthvalue(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to TOPK_V2 of all but k - 1 elements of each row, and SLICE of the last of them."""
    rows = _rows(emit)
    return _last_of_the_largest(emit, rows, emit.spec(rows).shape[-1] - node.integer("k") + 1)


@lowers("aten.median.dim", way="last dimension")
@lowers("aten.median.dim", way="another dimension")
def median(_node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to TOPK_V2 of the greater half of each row and its middle, and SLICE of the last of them."""
    rows = _rows(emit)
    return _last_of_the_largest(emit, rows, emit.spec(rows).shape[-1] // 2 + 1)


@lowers("aten.median.default", way="all elements")
def median_of_all(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE to a vector, TOPK_V2 of its greater half and its middle, and SLICE of the last of them."""
    count = node.type_of("self").numel // 2 + 1
    values, _ = _largest(emit, reshaped(emit, emit.input("self"), (node.type_of("self").numel,)), count)
    return _last(emit, values)


@lowers("aten.searchsorted.Tensor", way="counted")
def searchsorted(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REDUCE_SUM of ones for what of the sequence comes before an element, which NaN comes behind.

    The sequence lies along a dimension before those of the tensor.
    """
    x, length = emit.input("self"), node.type_of("sorted_sequence").numel
    shape = emit.spec(x).shape
    sequence = emit.weight(node.constant("sorted_sequence").reshape(length, *(1 for _ in shape)))
    is_right = node.flag("right") or (node.has("side") and node.argument("side") == "right")
    floats = TensorSpec(OperandType.TENSOR_FLOAT32, (length, *shape))
    comes_behind = emit.operation("GREATER" if is_right else "GREATER_EQUAL", [sequence, x], truth_spec(floats))
    branches = [emit.weight(full(floats.shape, number, ElementType.FLOAT32)) for number in (0.0, 1.0)]
    ones = emit.operation("SELECT", [comes_behind, *branches], floats)
    axes = emit.int32_tensor((0,))
    count = emit.operation("REDUCE_SUM", [ones, axes, emit.boolean(False)], replace(floats, shape=shape))
    return emit.operation("CAST", [count])


def _rows(emit: Emitter) -> OperandId:
    """The tensor with the dimension that is asked for as its last, by TRANSPOSE where it is another one."""
    x, rank = emit.input("self"), len(emit.node.shape_of("self"))
    dim = emit.node.integer("dim") % rank
    return x if dim == rank - 1 else transposed(emit, x, last_order(rank, dim))


def _largest(emit: Emitter, rows: OperandId, count: int) -> tuple[OperandId, ...]:
    """So many of the largest elements of each row in falling order, and where they stand, by TOPK_V2."""
    spec = emit.spec(rows)
    values = replace(spec, shape=(*spec.shape[:-1], count))
    return emit.operations("TOPK_V2", [rows, emit.int32(count)], [values, _places(values)])


def _places(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(OperandType.TENSOR_INT32, spec.shape)


def _last(emit: Emitter, rows: OperandId) -> OperandId:
    """The last element of each row, by SLICE."""
    *outer, size = emit.spec(rows).shape
    return boxed(emit, rows, {len(outer): Cut(size - 1, 1)})


def _last_of_the_largest(emit: Emitter, rows: OperandId, count: int) -> tuple[OperandId, ...]:
    """The last of so many of the largest elements of each row, and where it stands.

    RESHAPE takes no INT32 before level 6: places lose their dimension as floats.
    """
    value, place = (_last(emit, found) for found in _largest(emit, rows, count))
    spec = emit.output_spec()
    if emit.spec(value).shape == spec.shape:
        emit.spare()
        return value, place
    floats = replace(_places(emit.spec(place)), type=OperandType.TENSOR_FLOAT32)
    shaped = reshaped(emit, emit.operation("CAST", [place], floats), spec.shape)
    return reshaped(emit, value, spec.shape), emit.operation("CAST", [shaped], _places(spec))
