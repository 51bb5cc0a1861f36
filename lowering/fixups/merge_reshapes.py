"""A RESHAPE of a RESHAPE that nothing else reads becomes one, and one to the same shape is left out."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.model_draft import Draft, OperandId


def merge_reshapes(draft: Draft) -> None:
    """Merge every chain of reshapes into its last one, and leave out those that change nothing."""
    reader_of = draft.only_readers()
    producers = draft.producers()
    for slot, reshape in list(draft.live()):
        before = producers.get(reshape.inputs[0])
        if reshape.kind != "RESHAPE" or before is None or reader_of.get(reshape.inputs[0]) != slot:
            continue
        first = draft.operations[before]
        if first is not None and first.kind == "RESHAPE":
            draft.operations[slot] = replace(reshape, inputs=(first.inputs[0], reshape.inputs[1]))
            if reader_of.get(first.inputs[0]) == before:
                reader_of[first.inputs[0]] = slot
            draft.operations[before] = None
            draft.reshaped[first.outputs[0]] = first.inputs[0]
    _leave_out(draft)


def _leave_out(draft: Draft) -> None:
    """Read what a RESHAPE to the same shape reads instead. Of other types than float32, it may decide the level."""
    same: dict[OperandId, OperandId] = {}
    for slot, operation in list(draft.live()):
        inputs = tuple(same.get(item, item) for item in operation.inputs)
        if inputs != operation.inputs:
            draft.operations[slot] = operation = replace(operation, inputs=inputs)
        made = operation.outputs[0]
        before, after = draft.operands[inputs[0]].spec, draft.operands[made].spec
        is_same = operation.kind == "RESHAPE" and before == after
        if is_same and made not in draft.outputs and after.type is OperandType.TENSOR_FLOAT32:
            draft.reshaped[made] = same[made] = inputs[0]
            draft.operations[slot] = None
