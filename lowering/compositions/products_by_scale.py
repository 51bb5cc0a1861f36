"""Products with weights that have a scale for each channel: one for each group of channels with like scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nnapi_check.analyzer.graph import PerChannel
from nnapi_check.analyzer.scale_groups import scale_groups
from nnapi_check.lowering.compositions.filter_operands import chosen_bias, rounded_weight
from nnapi_check.lowering.emission.channel_recipes import places
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import RuleError
from nnapi_check.lowering.emission.recipes import Recipe

Product = Callable[[Recipe, OperandId, Recipe], OperandId]
"""What some channels are, by their weight of one scale, their bias and their numbers: they stand in the last axis."""


def product_by_scales(emit: Emitter, x: OperandId, weight: Recipe, product: Product) -> OperandId:
    """The products of all groups, joined and put in PyTorch's order along the last axis."""
    if not isinstance(weight.quant, PerChannel):
        raise RuleError(f"{emit.node.op}: the weight has no scale for each channel")
    groups = scale_groups(weight.quant)
    order = [channel for group in groups for channel in group.channels]
    stored, end = places(order), 0
    pieces: list[OperandId] = []
    for group in groups:
        begin, end = end, end + len(group.channels)
        chosen = stored.slice(0, begin, end)
        filters = rounded_weight(weight, weight.quant, group, chosen)
        pieces.append(product(filters, chosen_bias(emit, filters, x, chosen), chosen))
    joined = _joined(emit, pieces)
    if order == sorted(order):
        emit.spare()
        return joined
    return channels_at(emit, joined, places(sorted(range(len(order)), key=order.__getitem__)))


def channels_at(emit: Emitter, x: OperandId, chosen: Recipe) -> OperandId:
    """The channels at these places of the last axis, in this order, by GATHER."""
    spec = emit.spec(x)
    *rest, _ = spec.shape
    inputs = [x, emit.int32(len(rest)), emit.weight(chosen)]
    return emit.operation("GATHER", inputs, replace(spec, shape=(*rest, *chosen.shape)))


def _joined(emit: Emitter, pieces: Sequence[OperandId]) -> OperandId:
    spec = emit.spec(pieces[0])
    *rest, _ = spec.shape
    channels = sum(emit.spec(piece).shape[-1] for piece in pieces)
    return emit.operation("CONCATENATION", [*pieces, emit.int32(len(rest))], replace(spec, shape=(*rest, channels)))
