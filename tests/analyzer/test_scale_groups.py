"""Channels are grouped by their scales, and what rounding to a group's scale brings stays within the bound."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import ElementType, PerChannel, PerTensor, TensorType
from nnapi_check.analyzer.scale_groups import (
    MOST_EXACT,
    MOST_GROUPS,
    SPREAD,
    ScaleGroup,
    rounding_bound,
    scale_groups,
    whole_group,
)

SCALES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40)


def per_channel(*scales: float, zero_point: int = 0) -> PerChannel:
    return PerChannel(tuple(scales), (zero_point,) * len(scales), 0)


def test_few_scales_are_exact_groups_wherever_their_channels_stand() -> None:
    assert scale_groups(per_channel(0.5, 0.125, 0.5, 0.25)) == (
        ScaleGroup((0, 2), 0.5, is_exact=True),
        ScaleGroup((3,), 0.25, is_exact=True),
        ScaleGroup((1,), 0.125, is_exact=True),
    )


def test_many_scales_are_groups_within_a_spread() -> None:
    scales = [1 + step / 100 for step in range(10)] + [0.1]

    wide, narrow = scale_groups(per_channel(*scales))

    assert wide == ScaleGroup(tuple(range(10)), 1.09, is_exact=False)
    assert narrow == ScaleGroup((10,), 0.1, is_exact=True)


@given(scales=SCALES, zero_point=st.integers(-128, 127))
@settings(max_examples=200, deadline=None)
def test_every_channel_is_in_one_group_whose_scale_is_not_far_above_its_own(
    scales: list[float], zero_point: int
) -> None:
    groups = scale_groups(per_channel(*scales, zero_point=zero_point))

    assert sorted(channel for group in groups for channel in group.channels) == list(range(len(scales)))
    assert len(groups) <= max(MOST_GROUPS, MOST_EXACT)
    for place, group in enumerate(groups):
        own = [scales[channel] for channel in group.channels]
        assert group.scale >= max(own)
        assert place + 1 == MOST_GROUPS or group.scale <= 2 * SPREAD * min(own)
        # Every integer of these channels can be told in steps of the group's scale.
        reach = max(127 - zero_point, zero_point + 128) * max(own)
        assert group.is_exact or reach <= 128 * group.scale * (1 + 1e-12)


@pytest.mark.parametrize("taps", [3, 27, 300])
@pytest.mark.parametrize("zero_point", [0, 117, 255])
def test_sums_of_rounded_weights_are_within_the_bound_and_as_far_off_as_it_says(taps: int, zero_point: int) -> None:
    generator = np.random.default_rng(taps)
    scales = generator.uniform(0.002, 0.03, 64)
    stored = generator.integers(-128, 128, (64, taps))
    inputs = 0.05 * (generator.integers(0, 256, (taps, 500)) - zero_point)
    quant = per_channel(*scales)
    group = whole_group(quant)
    x = TensorType(ElementType.QUINT8, (500, taps), PerTensor(0.05, zero_point))
    made = TensorType(ElementType.QUINT8, (500, 64), PerTensor(0.2, 128))

    bound = rounding_bound((group,), x, TensorType(ElementType.QINT8, (64, taps), quant), made)

    real = stored * scales[:, None]
    rounded = np.round(real / group.scale) * group.scale
    off = (rounded - real) @ inputs / 0.2
    assert bound is not None
    assert np.abs(off).max() < bound.steps
    expected = bound.deviation * sqrt(np.mean(inputs**2)) / bound.spread
    assert np.sqrt(np.mean(off**2)) == pytest.approx(expected, rel=0.15)


def test_groups_of_one_scale_have_no_bound() -> None:
    quant = per_channel(0.5, 0.25)
    x, made = (TensorType(ElementType.QUINT8, (3, 2), PerTensor(0.1, 0)) for _ in range(2))

    assert rounding_bound(scale_groups(quant), x, TensorType(ElementType.QINT8, (2, 2), quant), made) is None
