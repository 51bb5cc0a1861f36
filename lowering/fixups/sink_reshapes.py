"""A RESHAPE after a convolution or product moves behind what is computed by channel, so that this folds away."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.model_draft import Constant, Draft, DraftOperation
from nnapi_check.lowering.fixups.fold_affine import CHANNEL_AXIS
from nnapi_check.lowering.nnapi.model import Computed

_OF_ONE = frozenset({"RELU", "RELU1", "RELU6"})
_BY_CHANNEL = frozenset({"ADD", "MUL"})


def sink_reshapes(draft: Draft) -> None:
    """Exchange every RESHAPE that keeps the channels with what alone reads it, as long as that works by channel."""
    reader_of = draft.only_readers()
    producers = draft.producers()
    for slot, _ in list(draft.live()):
        reshape = draft.operations[slot]
        before = None if reshape is None else producers.get(reshape.inputs[0])
        product = None if before is None else draft.operations[before]
        if reshape is None or reshape.kind != "RESHAPE" or product is None or product.kind not in CHANNEL_AXIS:
            continue
        place = slot
        while reader_of.get(reshape.inputs[0]) == place:
            reading = reader_of.get(reshape.outputs[0])
            operation = None if reading is None else draft.operations[reading]
            if reading is None or operation is None or not _works_by_channel(draft, reshape, operation):
                break
            spec = draft.operands[operation.outputs[0]].spec
            narrow = replace(spec, shape=draft.operands[reshape.inputs[0]].spec.shape)
            made = draft.add(narrow, Computed())
            inputs = tuple(reshape.inputs[0] if item == reshape.outputs[0] else item for item in operation.inputs)
            draft.operations[place] = replace(operation, inputs=inputs, outputs=(made,))
            reshape = replace(reshape, inputs=(made, reshape.inputs[1]), outputs=operation.outputs)
            draft.operations[reading] = reshape
            reader_of[made] = reading
            producers[made], producers[operation.outputs[0]] = place, reading
            place = reading


def _works_by_channel(draft: Draft, reshape: DraftOperation, operation: DraftOperation) -> bool:
    """Whether an operation computes each element by itself, with one number for each place of the last dimension."""
    before, after = (draft.operands[operand].spec for operand in (reshape.inputs[0], reshape.outputs[0]))
    if before.type is not OperandType.TENSOR_FLOAT32 or before.shape[-1] != after.shape[-1]:
        return False
    if operation.kind in _OF_ONE:
        return True
    if operation.kind not in _BY_CHANNEL or draft.operands[operation.outputs[0]].spec.shape != after.shape:
        return False
    (other,) = [item for item in operation.inputs[:2] if item != reshape.outputs[0]] or [reshape.outputs[0]]
    found = draft.operands[other]
    count = prod(found.spec.shape)
    if len(found.spec.shape) > len(before.shape):
        # The result has the higher rank of the two.
        return False
    return isinstance(found.source, Constant) and count in (1, after.shape[-1]) and found.spec.shape[-1] == count
