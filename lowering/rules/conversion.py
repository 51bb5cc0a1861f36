"""Changes of element type: CAST between numbers, SELECT and NOT_EQUAL where truth values are on one side."""

from __future__ import annotations

from nnapi_check.lowering.compositions.carrying import chosen, compared
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
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
    return chosen(emit, emit.input("self"), node.output_type().dtype)


@lowers(*_CONVERSIONS, way="compared")
def to_truth(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to NOT_EQUAL with zero."""
    return compared(emit, emit.input("self"), emit.output_spec())
