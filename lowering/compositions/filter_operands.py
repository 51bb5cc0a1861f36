"""Filters and biases of convolutions and layers, float or quantized, as constant operands."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.equalization import NO_FACTORS, Factors, equalized_group
from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, NotQuantized, PerChannel, PerTensor
from nnapi_check.analyzer.nnapi_types import SIGNED_SHIFT
from nnapi_check.analyzer.scale_groups import ScaleGroup
from nnapi_check.coverage_db.cards import WeightScales
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.equalized_weights import divided_bias, with_factors
from nnapi_check.lowering.emission.channel_recipes import channel_scales, selected
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipe_types import STORED_TYPES
from nnapi_check.lowering.emission.recipes import Recipe, full, numbers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec
from nnapi_check.lowering.nnapi.model import ChannelQuantParams, QuantParams


def product_spec(emit: Emitter, x: OperandId) -> TensorSpec:
    """What a product with ``x`` gives: of the node's output where ``x`` is quantized, else floats as ``x``."""
    spec = emit.spec(x)
    if spec.type is OperandType.TENSOR_QUANT8_ASYMM:
        return emit.output_spec()
    return replace(emit.output_spec(), type=spec.type, quant=spec.quant)


def filter_operand(emit: Emitter, recipe: Recipe, order: tuple[int, ...] = ()) -> OperandId:
    """A filter as an operand: floats, unsigned integers with PyTorch's scale, or signed ones with one for each channel.

    ``order[i]`` is the dimension of the recipe that stands at place ``i``.
    """
    dims = order or tuple(range(recipe.rank))
    match recipe.quant:
        case NotQuantized():
            return emit.weight(recipe.permute(*dims))
        case PerTensor(scale, zero_point):
            shift = SIGNED_SHIFT if recipe.dtype is ElementType.QINT8 else 0
            turned = recipe.permute(*dims)
            stored = turned.quantized_storage() if turned.dtype in STORED_TYPES else turned
            return emit.weight(stored, QuantParams(scale, zero_point + shift), OperandType.TENSOR_QUANT8_ASYMM)
        case PerChannel(scales, _, axis):
            channels = ChannelQuantParams(scales, dims.index(axis))
            kind = OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL
            stored = recipe.integers() if recipe.dtype in STORED_TYPES else recipe
            return emit.weight(stored.permute(*dims), kind=kind, channels=channels)


def whole_weight(emit: Emitter) -> Recipe:
    """The node's weight as the way multiplies it: where it has a scale for each channel, rounded to one if need be."""
    weight = emit.node.constant("weight")
    match emit.weight_scales, weight.quant:
        case WeightScales.ONE, PerChannel() as quant:
            group = equalized_group(quant, weight.shape, emit.factors)
            return rounded_weight(weight, quant, group, None, emit.factors)
        case _:
            return weight


def rounded_weight(
    weight: Recipe, quant: PerChannel, group: ScaleGroup, chosen: Recipe | None, factors: Factors = NO_FACTORS
) -> Recipe:
    """The channels of a group as unsigned integers of the group's scale. ``chosen`` are their numbers, None of all,
    of which some may have ``factors``.
    """
    along = tuple(len(group.channels) if axis == quant.axis else 1 for axis in range(weight.rank))
    stored = replace(weight.integers() if weight.dtype in STORED_TYPES else weight, quant=NOT_QUANTIZED)
    scales = channel_scales(weight)
    if chosen is not None:
        stored, scales = selected(stored, quant.axis, chosen), selected(scales, 0, chosen)
    steps = stored.cast(ElementType.FLOAT64)
    if any(quant.zero_points):
        zeros = numbers(tuple(float(quant.zero_points[channel]) for channel in group.channels))
        steps = steps - zeros.reshape(*along)
    if not group.is_exact:
        steps = (with_factors(steps, weight.shape, factors) * (scales / group.scale).reshape(*along)).round()
    unsigned = (steps.clamp(-float(SIGNED_SHIFT), SIGNED_SHIFT - 1.0) + float(SIGNED_SHIFT)).cast(ElementType.UINT8)
    return replace(unsigned, quant=PerTensor(group.scale, SIGNED_SHIFT))


def bias_operand(emit: Emitter, weight: Recipe, x: OperandId, count: int, first: int = 0) -> OperandId:
    """``count`` numbers of the node's bias, from number ``first``: zeros where it has none, for NNAPI always wants one.

    Beside a quantized weight they are INT32, of the product of the input's and the weight's scale; where that has one
    for each channel, NNAPI wants no scale to be stated.
    """
    bias = divided_bias(emit.node.constant("bias"), emit.factors) if emit.node.has("bias") else None
    return _bias(emit, weight, x, count, None if bias is None else _cut(bias, first, count))


def chosen_bias(emit: Emitter, weight: Recipe, x: OperandId, chosen: Recipe) -> OperandId:
    """The same for the channels with these numbers."""
    bias = selected(emit.node.constant("bias"), 0, chosen) if emit.node.has("bias") else None
    return _bias(emit, weight, x, chosen.shape[0], bias)


def _bias(emit: Emitter, weight: Recipe, x: OperandId, count: int, bias: Recipe | None) -> OperandId:
    match weight.quant:
        case NotQuantized():
            return emit.weight(bias if bias is not None else full((count,), 0.0, weight.dtype))
        case PerTensor(of_weight, _):
            scale = emit.spec(x).quant.scale * of_weight
            recipe = bias.quantized_bias(scale) if bias is not None else full((count,), 0, ElementType.INT32)
            return emit.weight(recipe, QuantParams(scale, 0), OperandType.TENSOR_INT32)
        case PerChannel(scales, _, _):
            of_input = emit.spec(x).quant.scale
            products = tuple(of_input * of_channel for of_channel in scales)
            zeros = full((count,), 0, ElementType.INT32)
            return emit.weight(bias.quantized_bias_per_channel(products) if bias is not None else zeros)


def rounded_bias(emit: Emitter, weight: Recipe, x: OperandId) -> OperandId:
    """The node's bias as floats, for a quantized ``x`` that is multiplied as floats: in the steps of INT32 that QNNPACK
    rounds it to, zeros where the node has none.
    """
    count = weight.shape[0]
    if not emit.node.has("bias"):
        return emit.weight(full((count,), 0.0, ElementType.FLOAT32))
    of_input, bias = emit.spec(x).quant.scale, emit.node.constant("bias")
    match weight.quant:
        case PerTensor(of_weight, _):
            steps = bias.quantized_bias(of_input * of_weight).cast(ElementType.FLOAT64)
            return emit.weight((steps * (of_input * of_weight)).cast(ElementType.FLOAT32))
        case PerChannel(scales, _, _):
            products = tuple(of_input * of_channel for of_channel in scales)
            steps = bias.quantized_bias_per_channel(products).cast(ElementType.FLOAT64)
            return emit.weight((steps * numbers(products)).cast(ElementType.FLOAT32))
        case NotQuantized():
            return emit.weight(bias)


def _cut(bias: Recipe, first: int, count: int) -> Recipe:
    return bias if bias.shape == (count,) else bias.slice(0, first, first + count)
