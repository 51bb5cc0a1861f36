"""Products with weights that have a scale for each channel: one for each group of channels with like scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nnapi_check.analyzer.graph import PerChannel
from nnapi_check.analyzer.scale_groups import scale_groups
from nnapi_check.lowering.compositions.filter_operands import bias_of, rounded_weight
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import RuleError
from nnapi_check.lowering.emission.recipes import Recipe

Product = Callable[[Recipe, OperandId, tuple[int, ...]], OperandId]
"""What some channels are, by their weight of one scale, their bias and their numbers: they stand in the last axis."""


def product_by_scales(emit: Emitter, x: OperandId, weight: Recipe, product: Product) -> OperandId:
    """The products of all groups, joined and put in PyTorch's order along the last axis."""
    if not isinstance(weight.quant, PerChannel):
        raise RuleError(f"{emit.node.op}: the weight has no scale for each channel")
    pieces: list[OperandId] = []
    order: list[int] = []
    for group in scale_groups(weight.quant):
        filters = rounded_weight(weight, weight.quant, group)
        pieces.append(product(filters, bias_of(emit, filters, x, group.channels), group.channels))
        order += group.channels
    places = [order.index(channel) for channel in range(len(order))]
    if places == sorted(places):
        emit.spare()
    return channels_at(emit, _joined(emit, pieces), places)


def channels_at(emit: Emitter, x: OperandId, places: Sequence[int]) -> OperandId:
    """The channels at these places of the last axis, in this order, by GATHER; ``x`` itself where it is all of them."""
    spec = emit.spec(x)
    *rest, channels = spec.shape
    if list(places) == list(range(channels)):
        return x
    inputs = [x, emit.int32(len(rest)), emit.int32_tensor(places)]
    return emit.operation("GATHER", inputs, replace(spec, shape=(*rest, len(places))))


def _joined(emit: Emitter, pieces: Sequence[OperandId]) -> OperandId:
    spec = emit.spec(pieces[0])
    *rest, _ = spec.shape
    channels = sum(emit.spec(piece).shape[-1] for piece in pieces)
    return emit.operation("CONCATENATION", [*pieces, emit.int32(len(rest))], replace(spec, shape=(*rest, channels)))
