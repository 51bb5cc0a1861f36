"""On how many elements a product of integers is a step off: PyTorch rounds it once, and Android's own CPU twice.

A product that is scaled by m, which is a fraction from a half on times a power of two, 2^-k, is first rounded to steps
of 2^-k. What lies below the middle between two results by less than half of such a step is then rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import frexp
from statistics import fmean

from nnapi_check.analyzer.graph import Node, PerChannel, PerTensor
from nnapi_check.analyzer.judging.halves import share_of_halves
from nnapi_check.analyzer.nnapi_types import single_precision
from nnapi_check.analyzer.quantities import Uses, quantity
from nnapi_check.analyzer.scale_groups import scale_groups, whole_group
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import Way, WeightScales
from nnapi_check.coverage_db.spec import OperandType

ROUNDED_TWICE = "products-rounded-twice"
"""The difference that is bridged."""

_ROUND_TWICE = frozenset(
    {
        "BATCH_MATMUL",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "GROUPED_CONV_2D",
        "MUL",
        "PRELU",
        "TRANSPOSE_CONV_2D",
    }
)
_INTEGERS = frozenset({OperandType.TENSOR_QUANT8_ASYMM, OperandType.TENSOR_QUANT8_ASYMM_SIGNED})

_NEAR_HALVES = 0.0002
"""The share of results so near to halfway between two steps that PyTorch's float32 rounds them otherwise."""


def with_two_roundings(way: Way, node: Node, uses: Uses, emitted: Sequence[tuple[str, OperandType | None]]) -> Way:
    """The way with a bound that counts in what NNAPI rounds twice, where it multiplies integers."""
    if not any(operation in _ROUND_TWICE and kind in _INTEGERS for operation, kind in emitted):
        return way
    made = quantity("output.scale", node, uses)
    scales = [*_of_layers(way, node, uses), *_of_pairs(node, uses), *_of_slopes(node, uses)]
    if not scales or not isinstance(made, float):
        return way
    factors = [single_precision(scale) / single_precision(made) for scale in scales]
    # Halves that the card names are counted in already.
    share = _NEAR_HALVES + fmean(
        _share(factor) + (0.0 if way.halves else share_of_halves((factor,))) for factor in factors
    )
    stated = way.bound or Bound(steps=1)
    # Weights that are rounded to other scales move a result before it is rounded.
    steps = stated.steps + 1 if stated.deviation else max(1, stated.steps)
    bound = replace(stated, steps=steps, share=min(1.0, stated.share + share))
    return replace(way, bound=bound, differences=(*way.differences, ROUNDED_TWICE))


def _share(factor: float) -> float:
    """The share of the products that are rounded otherwise, where they are scaled by this factor."""
    places = max(0, -frexp(factor)[1])
    return 2.0 ** -(places + 1) if places else 0.0


def _of_layers(way: Way, node: Node, uses: Uses) -> Iterator[float]:
    given = quantity("input.scale", node, uses) if "input" in node.arguments else None
    if isinstance(given, float):
        yield from (given * scale for scale in _weight_scales(way, node, uses))


def _of_pairs(node: Node, uses: Uses) -> Iterator[float]:
    if {"qa", "qb"} <= node.arguments.keys():
        product = quantity("qa.scale * qb.scale", node, uses)
        if isinstance(product, float):
            yield product


def _of_slopes(node: Node, uses: Uses) -> Iterator[float]:
    """Where what is positive is rescaled; what is negative is multiplied in steps of a 255th of that or fewer."""
    for name in ("self", "qx"):
        if {name, "negative_slope"} <= node.arguments.keys():
            given = quantity(f"{name}.scale", node, uses)
            if isinstance(given, float):
                yield given


def _weight_scales(way: Way, node: Node, uses: Uses) -> Iterator[float]:
    weight = uses.graph.tensor_of(node.arguments.get("weight"))
    match None if weight is None else weight.quant:
        case PerTensor(scale, _):
            yield scale
        case PerChannel(scales, _, _) as quant:
            match way.weight_scales:
                case WeightScales.OWN:
                    yield from scales
                case WeightScales.ONE:
                    yield whole_group(quant).scale
                case WeightScales.GROUPS:
                    for group in scale_groups(quant):
                        yield from (group.scale for _ in group.channels)
        case _:
            return
