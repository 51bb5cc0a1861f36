"""What operations on integers state covers how Android computes them, in numbers of 16 bits and of fixed point.

The interpreter takes real numbers there. Android's own steps are written down here as they are published.
"""

from math import frexp

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.coverage_db.bounds import Bound
from tests.cards import cards

Integers = npt.NDArray[np.int64]
ALL = np.arange(256, dtype=np.int64)


def stated(op: str) -> Bound:
    way = next(way for way in cards()[op].ways if way.name == "operation")
    assert way.bound is not None
    return way.bound


def factor_of_16_bits(real: float) -> tuple[int, int]:
    """A factor as 15 bits behind the point, and a power of two."""
    significand, power = frexp(real)
    stored = int(np.floor(significand * 2**31 + 0.5))
    if stored == 2**31:
        stored, power = 2**30, power + 1
    return min((stored + 2**15) >> 16, 2**15 - 1), power


def cut(values: Integers) -> Integers:
    found: Integers = np.clip(values, -(2**15), 2**15 - 1)
    return found


def product(left: Integers, right: Integers | int, *, rounded: bool = True) -> Integers:
    doubled = left * right
    if rounded:
        doubled = doubled + np.where(doubled >= 0, 2**14, 1 - 2**14)
    magnitude: Integers = np.abs(doubled) >> 15
    return cut(np.where(doubled < 0, -magnitude, magnitude))


def divided(values: Integers, bits: int) -> Integers:
    """By a power of two, halves away from zero."""
    mask = (1 << bits) - 1
    found: Integers = (values >> bits) + ((values & mask) > (mask >> 1) + (values < 0))
    return found if bits else values


def hard_swish(scale: float, zero_point: int, made_scale: float, made_zero_point: int) -> Integers:
    """All stored integers through HARD_SWISH: common/cpu_operations/Activation.cpp."""
    fine = np.float32(scale) / np.float32(128)
    to_output, power = factor_of_16_bits(float(fine / np.float32(made_scale)))
    to_gate, gate_power = factor_of_16_bits(float(fine / np.float32(3 / 32768)))
    assert power <= 0
    x = (ALL - zero_point) << 7
    gate = product(cut(x << max(gate_power - 1, 0)) if gate_power > 0 else x, to_gate)
    gate = cut(gate << 1) if gate_power > 0 else divided(gate, -gate_power)
    gated = product((gate + 2**15) >> 1, product(x, to_output), rounded=False)
    found: Integers = np.clip(divided(gated, -power) + made_zero_point, 0, 255)
    return found


def true_hard_swish(scale: float, zero_point: int, made_scale: float, made_zero_point: int) -> Integers:
    x = (ALL - zero_point) * float(np.float32(scale))
    steps = np.rint(x * np.clip(x + 3, 0, 6) / 6 / float(np.float32(made_scale)))
    found: Integers = np.clip(steps + made_zero_point, 0, 255).astype(np.int64)
    return found


@settings(max_examples=300, deadline=None)
@given(
    power=st.floats(-6, 3),
    ratio=st.floats(2**-10, 64),
    zero_point=st.integers(0, 255),
    made_zero_point=st.integers(0, 255),
)
def test_hard_swish_of_16_bits_is_within_its_bound(
    power: float, ratio: float, zero_point: int, made_zero_point: int
) -> None:
    given_steps = 10.0**power, zero_point, 10.0**power / ratio, made_zero_point

    off = np.abs(hard_swish(*given_steps) - true_hard_swish(*given_steps))

    assert off.max() <= stated("quantized.hardswish.default").steps


def test_hard_swish_of_16_bits_is_off_as_often_as_stated() -> None:
    draw = np.random.default_rng(3)
    off: list[npt.NDArray[np.bool_]] = []
    for _ in range(300):
        scale = draw.uniform(0.01, 0.1)
        # Halves are no matter of 16 bits: hardly any factor makes them.
        steps = scale, int(draw.integers(256)), scale / draw.uniform(0.5, 3), int(draw.integers(256))
        off.append(hard_swish(*steps) != true_hard_swish(*steps))

    share = float(np.mean(off))

    assert 0 < share <= stated("quantized.hardswish.default").share


def test_a_softmax_whose_sum_has_19_bits_is_within_its_bound() -> None:
    draw = np.random.default_rng(5)
    bound, off = stated("quantized.softmax.default"), []
    for _ in range(300):
        x = draw.integers(0, 256, (8, int(draw.integers(2, 2049)))) * draw.uniform(0.001, 0.2)
        powers = np.exp(x - x.max(1, keepdims=True))
        summed = np.rint(powers * 2**19).sum(1, keepdims=True) / 2**19
        off.append(np.abs(np.floor(256 * powers / summed + 0.5) - np.rint(256 * powers / powers.sum(1, keepdims=True))))

    assert max(item.max() for item in off) <= bound.steps
    assert float(np.mean(np.concatenate([item.ravel() for item in off]))) <= bound.share
