"""Changes of element type: CAST between numbers, SELECT and NOT_EQUAL where truth values are on one side."""

from __future__ import annotations

from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import lowers

_CONVERSIONS = (
    "aten.to.dtype",
    "aten.to.dtype_layout",
    "aten.to.device",
    "aten.to.other",
    "aten.type_as.default",
    "aten._to_copy.default",
)


@lowers(*_CONVERSIONS, way="identity")
def unchanged(node: NodeReader, emit: Emitter) -> OperandId:
    """Emit nothing: both types are one to NNAPI."""
    return emit.input("self")


@lowers(*_CONVERSIONS, way="cast")
def cast(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CAST."""
    return emit.operation("CAST", [emit.input("self")])


@lowers(*_CONVERSIONS, way="chosen")
def from_truth(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between ones and zeros."""
    shape, dtype = emit.output_spec().shape, node.output_type().dtype
    one, zero = (emit.weight(full(shape, number, dtype)) for number in (1.0, 0.0))
    return emit.operation("SELECT", [emit.input("self"), one, zero])


@lowers(*_CONVERSIONS, way="compared")
def to_truth(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to NOT_EQUAL with zero."""
    x = emit.input("self")
    return emit.operation("NOT_EQUAL", [x, emit.number(0.0, x)])
