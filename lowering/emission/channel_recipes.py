"""Recipes of some channels of a weight, and of the scales that its channels have."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, NotQuantized, PerChannel
from nnapi_check.lowering.emission.recipe_types import RecipeError
from nnapi_check.lowering.emission.recipes import Call, Inline, Recipe, Weight, leaves

WIDE_PLACE = 2**15
"""Whole numbers from here on take 32 bits."""


def places(numbers: Sequence[int]) -> Recipe:
    """One dimension of whole numbers from 0 on, as INT32, and stored in 16 bits where these are enough."""
    kind, code = (ElementType.INT16, "h") if max(numbers, default=0) < WIDE_PLACE else (ElementType.INT32, "i")
    return Inline(struct.pack(f"<{len(numbers)}{code}", *numbers), kind, (len(numbers),)).cast(ElementType.INT32)


def divided(numbers: Recipe, divisor: int) -> Recipe:
    """Whole numbers divided by another, rounded down."""
    if numbers.dtype is not ElementType.INT32:
        raise RecipeError(f"divided: the elements are {numbers.dtype.value}, wanted i32")
    return Call("aten.floor_divide.Scalar", (numbers, divisor), numbers.shape, numbers.dtype)


def selected(source: Recipe, axis: int, chosen: Recipe) -> Recipe:
    """The slices of plain numbers at the places ``chosen`` along ``axis``, in this order."""
    if chosen.rank != 1 or chosen.dtype is not ElementType.INT32 or not isinstance(source.quant, NotQuantized):
        raise RecipeError(f"selected: {chosen.dtype.value}{list(chosen.shape)} of {source.quant}, wanted a row of i32")
    shape = (*source.shape[:axis], *chosen.shape, *source.shape[axis + 1 :])
    return Call("aten.index_select.default", (source, axis, chosen), shape, source.dtype, NOT_QUANTIZED)


def channel_scales(weight: Recipe) -> Recipe:
    """The scales of the channels of a weight, however it was rearranged, in 64 bits."""
    source = next((leaf for leaf in leaves(weight) if isinstance(leaf, Weight)), None)
    if source is None or not isinstance(source.quant, PerChannel):
        raise RecipeError("channel_scales: wanted a weight that is quantized per channel")
    shape = (len(source.quant.scales),)
    return Call("aten.q_per_channel_scales.default", (source,), shape, ElementType.FLOAT64)
