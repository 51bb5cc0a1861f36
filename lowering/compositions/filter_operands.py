"""Filters and biases of convolutions and layers, float or quantized, as constant operands."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.graph import ElementType, PerTensor
from nnapi_check.analyzer.nnapi_types import SIGNED_SHIFT
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Recipe, full
from nnapi_check.lowering.emission.tensor_spec import TensorSpec
from nnapi_check.lowering.nnapi.model import QuantParams


def product_spec(emit: Emitter, x: OperandId) -> TensorSpec:
    """What a product with ``x`` gives: of the node's output where ``x`` is quantized, else floats as ``x``."""
    spec = emit.spec(x)
    if spec.type is OperandType.TENSOR_QUANT8_ASYMM:
        return emit.output_spec()
    return replace(emit.output_spec(), type=spec.type, quant=spec.quant)


def filter_operand(emit: Emitter, recipe: Recipe) -> OperandId:
    """A filter as an operand: floats, or unsigned integers with PyTorch's scale."""
    if not isinstance(recipe.quant, PerTensor):
        return emit.weight(recipe)
    shift = SIGNED_SHIFT if recipe.dtype is ElementType.QINT8 else 0
    quant = QuantParams(recipe.quant.scale, recipe.quant.zero_point + shift)
    return emit.weight(recipe.quantized_storage(), quant, OperandType.TENSOR_QUANT8_ASYMM)


def bias_operand(emit: Emitter, weight: Recipe, x: OperandId, count: int, first: int = 0) -> OperandId:
    """``count`` numbers of the node's bias, from number ``first``: zeros where it has none, for NNAPI always wants one.

    Beside a quantized weight they are INT32, of the product of the input's and the weight's scale.
    """
    bias = _cut(emit.node.constant("bias"), first, count) if emit.node.has("bias") else None
    if not isinstance(weight.quant, PerTensor):
        return emit.weight(bias if bias is not None else full((count,), 0.0, weight.dtype))
    scale = emit.spec(x).quant.scale * weight.quant.scale
    recipe = bias.quantized_bias(scale) if bias is not None else full((count,), 0, ElementType.INT32)
    return emit.weight(recipe, QuantParams(scale, 0), OperandType.TENSOR_INT32)


def _cut(bias: Recipe, first: int, count: int) -> Recipe:
    return bias if bias.shape == (count,) else bias.slice(0, first, first + count)
