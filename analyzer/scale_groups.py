"""Channels of a weight by their scales: which are multiplied as integers of one scale, and how far that may be off.

NNAPI multiplies integers of one scale where a target carries no scale for each channel. Integers of another scale are
then rounded to steps of that one, which is the greatest of the group, so that none overflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log, prod, sqrt

from nnapi_check.analyzer.graph import ElementType, PerChannel, PerTensor, TensorType
from nnapi_check.coverage_db.bounds import Bound

SPREAD = 4.0
"""How many times the least scale of a group the greatest may be: 2 of 8 bits of a weight are lost at most."""

MOST_GROUPS = 4
"""Into so many groups channels are put at most; the last takes all that have smaller scales still."""

MOST_EXACT = 8
"""Where channels have so many scales at most, each scale is a group of its own and nothing is rounded."""

RARITY = 1e-9
"""How rarely an element may be off by more steps than the bound says, if roundings are independent of each other."""

_HOEFFDING = sqrt(log(2 / RARITY) / 2)
"""A sum of independent numbers is further than this many roots of their squared ranges' sum from its mean so rarely."""

_LEAST, _GREATEST = -128, 127
"""What signed integers are stored as."""


@dataclass(frozen=True, slots=True)
class ScaleGroup:
    """Channels in ascending order, and the scale of their integers. ``is_exact``: it is the scale of each of them."""

    channels: tuple[int, ...]
    scale: float
    is_exact: bool


def whole_group(quant: PerChannel) -> ScaleGroup:
    """All channels as one group."""
    return _group(quant, tuple(range(len(quant.scales))))


def scale_groups(quant: PerChannel) -> tuple[ScaleGroup, ...]:
    """Channels by like scales, the greatest first: not rounded where they have few scales, else within a spread."""
    scales = sorted(set(quant.scales), reverse=True)
    if len(scales) <= MOST_EXACT and not any(quant.zero_points):
        equal = ((channel for channel, own in enumerate(quant.scales) if own == scale) for scale in scales)
        return tuple(_group(quant, tuple(channels)) for channels in equal)
    steps = symmetric_scales(quant)
    groups: list[list[int]] = []
    for channel in sorted(range(len(steps)), key=lambda channel: (-steps[channel], channel)):
        is_like = bool(groups) and steps[channel] * SPREAD >= steps[groups[-1][0]]
        if is_like or len(groups) == MOST_GROUPS:
            groups[-1].append(channel)
        else:
            groups.append([channel])
    return tuple(_group(quant, tuple(sorted(channels))) for channels in groups)


def rounding_bound(groups: tuple[ScaleGroup, ...], x: TensorType, weight: TensorType, made: TensorType) -> Bound | None:
    """How far results of rounded weights are off, by the scales alone; None where no group is rounded.

    A weight is off by half a step of its group at most, and a result by the sum of these times the inputs. A bias is
    too, by half of the product of that step and the input's: it is one more weight of an input of one step, which tells
    only where inputs are smaller.
    """
    scales = [group.scale for group in groups if not group.is_exact]
    if not (scales and isinstance(x.quant, PerTensor) and isinstance(made.quant, PerTensor)):
        return None
    axis = weight.quant.axis if isinstance(weight.quant, PerChannel) else 0
    taps = prod(size for place, size in enumerate(weight.shape) if place != axis)
    greatest = x.quant.scale * max(_distances(x))
    step = greatest * max(scales) / made.quant.scale
    # Of few weights, all may be off by half a step the same way, and the bias by half of its own.
    reach = step * min(taps / 2, _HOEFFDING * sqrt(taps)) + x.quant.scale * max(scales) / made.quant.scale / 2
    # Inputs are taken to be spread evenly up to the greatest, and roundings over their step.
    deviation = step * sqrt(taps / 36)
    # What is off by a part of a step is rounded otherwise that often, and a mean is not above the root of its squares'.
    return Bound(steps=1 + floor(reach), share=min(1.0, deviation), deviation=deviation, spread=greatest / sqrt(3))


def _distances(x: TensorType) -> tuple[int, int]:
    """How many steps the ends of the input's range are from 0."""
    zero = x.quant.zero_point if isinstance(x.quant, PerTensor) else 0
    low, high = (0, 255) if x.dtype is ElementType.QUINT8 else (_LEAST, _GREATEST)
    return abs(low - zero), abs(high - zero)


def _pairs(quant: PerChannel) -> list[tuple[float, int]]:
    return list(zip(quant.scales, quant.zero_points, strict=True))


def symmetric_scales(quant: PerChannel) -> list[float]:
    """For each channel the least scale with zero point 0 whose signed integers reach as far."""
    return [
        scale * max(1.0, (zero - _LEAST) / -_LEAST, (_GREATEST - zero) / _GREATEST) for scale, zero in _pairs(quant)
    ]


def _group(quant: PerChannel, channels: tuple[int, ...]) -> ScaleGroup:
    steps = symmetric_scales(quant)
    pairs = _pairs(quant)
    scale = max(steps[channel] for channel in channels)
    return ScaleGroup(channels, scale, all(pairs[channel] == (scale, 0) for channel in channels))
