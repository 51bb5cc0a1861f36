"""Truth values and whole numbers as floats, and back: SELECT and NOT_EQUAL, or CAST."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.in_floats import as_floats
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


def chosen(
    emit: Emitter, truths: OperandId, dtype: ElementType, numbers: tuple[float, float] = (1.0, 0.0)
) -> OperandId:
    """The first of two numbers where something is true, and the second elsewhere."""
    shape = emit.spec(truths).shape
    one, other = (emit.weight(full(shape, number, dtype)) for number in numbers)
    return emit.operation("SELECT", [truths, one, other], emit.spec(one))


def compared(emit: Emitter, numbers: OperandId, made: TensorSpec) -> OperandId:
    """True where a number is not zero."""
    return emit.operation("NOT_EQUAL", [numbers, emit.number(0.0, numbers)], made)


def carry_inputs(node: NodeReader, emit: Emitter) -> None:
    """Let the node read as floats what they carry."""

    def convert(held: OperandId) -> OperandId:
        spec = emit.spec(held)
        if spec.type is OperandType.TENSOR_BOOL8:
            return chosen(emit, held, ElementType.FLOAT32)
        return emit.operation("CAST", [held], as_floats(spec))

    for value in node.carried:
        if value not in node.outputs:
            emit.floats_of(value, convert)


def carried_outputs(node: NodeReader, emit: Emitter, floats: Sequence[OperandId]) -> list[OperandId]:
    """What the node makes as its readers take it, who may as well go on with the floats."""
    emit.spare()
    found: list[OperandId] = []
    for value, operand in zip(node.outputs, floats, strict=False):
        if value not in node.carried:
            found.append(operand)
            continue
        emit.set_floats(value, operand)
        made = replace(emit.held_spec(value, nhwc=False), shape=emit.spec(operand).shape)
        is_truth = made.type is OperandType.TENSOR_BOOL8
        converted = compared(emit, operand, made) if is_truth else emit.operation("CAST", [operand], made)
        emit.draft.optional.add(converted)
        found.append(converted)
    return found
