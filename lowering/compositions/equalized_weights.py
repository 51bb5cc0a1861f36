"""Weights and biases of layers whose channels are divided, and multiplied again by the next, and where such end."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.analyzer.equalization import PARTS, Factors
from nnapi_check.analyzer.graph import ElementType
from nnapi_check.analyzer.nnapi_types import GREATEST_STORED
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.channel_recipes import places
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Inline, Recipe


def with_factors(weights: Recipe, shape: Sequence[int], factors: Factors) -> Recipe:
    """The float64 weights of a layer, by output and input channel, divided and multiplied."""
    ones = (1,) * (len(shape) - 2)
    by_output = factors.by_output(shape)
    if by_output:
        weights = weights * _numbers(by_output).reshape(-1, 1, *ones)
    elif factors.multiplied:
        weights = weights * _numbers(factors.multiplied).reshape(1, -1, *ones)
    return weights / _numbers(factors.divided).reshape(-1, 1, *ones) if factors.divided else weights


def divided_bias(bias: Recipe, factors: Factors) -> Recipe:
    """The float32 bias of a layer, divided as its output channels are."""
    return bias / _numbers(factors.divided).cast(ElementType.FLOAT32) if factors.divided else bias


def ended(emit: Emitter, x: OperandId) -> OperandId:
    """Divided channels, which stand in the last axis, none beyond where the layer's own ends."""
    quant = emit.spec(x).quant
    highest = (GREATEST_STORED - quant.zero_point) * PARTS
    ends = bytes(quant.zero_point + round(highest / factor) for factor in emit.factors.divided)
    stored = Inline(ends, ElementType.UINT8, (len(ends),))
    return emit.ended(x, emit.weight(stored, quant, OperandType.TENSOR_QUANT8_ASYMM))


def _numbers(factors: Sequence[int]) -> Recipe:
    return places(factors).cast(ElementType.FLOAT64) * (1 / PARTS)
