"""RELU, RELU1 and RELU6 move into the fuse code of the operation before them.

Exact in float32: the operation computes the same sum and clamps it. For quantized types the activation must keep
its input's parameters, since a fused operation has one output and one set of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nnapi_check.coverage_db.spec import FuseCode, OperandType, OperationFacts
from nnapi_check.lowering.emission.model_draft import Draft, DraftOperation
from nnapi_check.lowering.emission.tensor_spec import INT32_SCALAR
from nnapi_check.lowering.nnapi.model import Immediate

_CODES = {"RELU": FuseCode.RELU, "RELU1": FuseCode.RELU1, "RELU6": FuseCode.RELU6}


def fuse_activation(draft: Draft, facts: Mapping[str, OperationFacts]) -> None:
    """Fuse every activation whose input is read by nothing else."""
    reader_of = draft.only_readers()
    producers = draft.producers()
    for slot, activation in list(draft.live()):
        code = _CODES.get(activation.kind)
        before = producers.get(activation.inputs[0])
        if code is None or before is None or reader_of.get(activation.inputs[0]) != slot:
            continue
        operation = draft.operations[before]
        if operation is None:
            continue
        index = fuse_index(draft, operation, facts)
        if index is None or not is_unfused(draft, operation, index):
            continue
        if draft.operands[activation.inputs[0]].spec.quant != draft.operands[activation.outputs[0]].spec.quant:
            continue
        inputs = list(operation.inputs)
        inputs[index] = draft.immediate(INT32_SCALAR, [code])
        draft.operations[before] = replace(operation, inputs=tuple(inputs), outputs=activation.outputs)
        draft.operations[slot] = None
        producers[activation.outputs[0]] = before


def fuse_index(draft: Draft, operation: DraftOperation, facts: Mapping[str, OperationFacts]) -> int | None:
    """Where an operation's fuse code stands, by the signature that its inputs fit; None where it has none."""
    kinds = [draft.operands[operand].spec.type for operand in operation.inputs]
    for signature in facts[operation.kind].signatures:
        index = signature.index_of("fuse_code")
        if index is None or len(kinds) not in dict(signature.counts):
            continue
        fixed = ((facts_of.index, facts_of.type) for facts_of in signature.inputs if facts_of.type is not None)
        if all(place is None or place >= len(kinds) or kinds[place] is kind for place, kind in fixed):
            return index
    return None


def is_unfused(draft: Draft, operation: DraftOperation, index: int) -> bool:
    """Whether an operation has no fused activation yet."""
    operand = draft.operands[operation.inputs[index]]
    return operand.spec.type is OperandType.INT32 and operand.source == Immediate(bytes(4))
