"""A MUL or ADD with a constant per channel moves into the weights of the convolution or product before it.

This is how a batch normalization after a convolution disappears: filter * scale and bias * scale + shift are
computed once, when the model is loaded. It changes float32 results by rounding only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.lowering.emission.model_draft import Constant, Draft, DraftOperation, OperandId
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.fixups.fuse_activation import fuse_index, is_unfused

CHANNEL_AXIS = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "GROUPED_CONV_2D": 0,
    "TRANSPOSE_CONV_2D": 0,
    "FULLY_CONNECTED": 0,
}
"""Operations of a product with constant weights, and which dimension of these the channels are."""


def fold_affine(draft: Draft, facts: Mapping[str, OperationFacts]) -> None:
    """Fold every constant MUL and ADD whose other input is read by nothing else."""
    reader_of = draft.only_readers()
    producers = draft.producers()
    for slot, affine in list(draft.live()):
        if affine.kind not in ("MUL", "ADD"):
            continue
        data, constant = _split(draft, affine)
        before = producers.get(data)
        if constant is None or before is None or reader_of.get(data) != slot:
            continue
        product = draft.operations[before]
        if product is None or product.kind not in CHANNEL_AXIS:
            continue
        if not _both_unfused(draft, product, affine, facts):
            continue
        folded = _folded(draft, product, affine, constant)
        if folded is not None:
            draft.operations[before] = folded
            draft.operations[slot] = None
            producers[affine.outputs[0]] = before


def _split(draft: Draft, affine: DraftOperation) -> tuple[OperandId, Recipe | None]:
    """The data operand and the constant's recipe, in whichever order they stand."""
    first, second = affine.inputs[:2]
    for data, other in ((first, second), (second, first)):
        source = draft.operands[other].source
        if isinstance(source, Constant):
            return data, source.recipe
    return first, None


def _both_unfused(
    draft: Draft, product: DraftOperation, affine: DraftOperation, facts: Mapping[str, OperationFacts]
) -> bool:
    index = fuse_index(draft, product, facts)
    return index is not None and is_unfused(draft, product, index) and is_unfused(draft, affine, 2)


def _folded(draft: Draft, product: DraftOperation, affine: DraftOperation, constant: Recipe) -> DraftOperation | None:
    weights, bias = (draft.operands[operand] for operand in product.inputs[1:3])
    made, result = (draft.operands[operation.outputs[0]].spec for operation in (product, affine))
    if not isinstance(weights.source, Constant) or not isinstance(bias.source, Constant):
        return None
    if weights.spec.type is not OperandType.TENSOR_FLOAT32 or made != result:
        return None
    channels = bias.spec.shape[0]
    if constant.byte_length != 4 * channels or constant.shape[-1] != channels:
        return None
    factor = constant.flatten()
    if affine.kind == "ADD":
        recipe = bias.source.recipe + factor
        return replace(
            product,
            inputs=(*product.inputs[:2], draft.add(bias.spec, Constant(recipe)), *product.inputs[3:]),
            outputs=affine.outputs,
        )
    axis = CHANNEL_AXIS[product.kind]
    spread = [1] * len(weights.spec.shape)
    spread[axis] = channels
    scaled = (
        draft.add(weights.spec, Constant(weights.source.recipe * factor.reshape(*spread))),
        draft.add(bias.spec, Constant(bias.source.recipe * factor)),
    )
    return replace(product, inputs=(product.inputs[0], *scaled, *product.inputs[3:]), outputs=affine.outputs)
