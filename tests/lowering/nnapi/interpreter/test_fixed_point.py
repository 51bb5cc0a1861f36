"""Integer arithmetic of quantized networks, against numbers worked out by hand."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, frexp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.lowering.nnapi.interpreter.fixed_point import (
    inverse_root_bits,
    product_of_units,
    rescale,
    rescale_by_steps,
    saturate16,
    shift_right,
    times_in_two_roundings,
)


def test_numbers_beyond_16_bits_become_the_nearest_limit() -> None:
    values = np.array([-40_000, -32_769, -32_768, 0, 32_767, 32_768])

    assert saturate16(values).tolist() == [-32_768, -32_768, -32_768, 0, 32_767, 32_767]


@pytest.mark.parametrize(
    ("value", "factor", "wanted"),
    [
        (3, 0.75, 2),  # 2.25; doubled first it would round up twice.
        (5, 0.5, 3),
        (-5, 0.5, -3),
        (7, 1.5, 11),
        (5, 0.3, 2),  # Times 0.6 is 3, and half of it rounds up.
        (3, 0.3, 1),
    ],
)
def test_rescaling_rounds_once_for_the_significand_and_once_for_the_power(
    value: int, factor: float, wanted: int
) -> None:
    assert rescale(np.array([value]), factor).tolist() == [wanted]


def test_steps_say_in_which_unit_the_first_rounding_is() -> None:
    # 1.125 is 1; in halves it is 2, and in quarters 5, both of which give 1; 1.375 is 5.5 quarters.
    assert [rescale_by_steps(np.array([11]), 0.125, bits).tolist() for bits in (0, 1, 2)] == [[1], [2], [2]]


@pytest.mark.parametrize(("value", "wanted"), [(5, 3), (-5, -3), (6, 3), (1, 1), (0, 0), (3, 2)])
def test_halves_of_shifts_go_away_from_zero(value: int, wanted: int) -> None:
    assert shift_right(np.array([value]), 1).tolist() == [wanted]


def test_a_shift_by_nothing_changes_nothing() -> None:
    assert shift_right(np.array([-3, 0, 5]), 0).tolist() == [-3, 0, 5]


def test_a_product_of_units_rounds_halves_up() -> None:
    half = 1 << 14

    assert product_of_units(np.array([3, -3, 5]), half).tolist() == [2, -1, 3]


@pytest.mark.parametrize(
    ("variance", "bits"),
    [(0, 0), (1, 0), (2, 0), (1 << 8, 1), (1 << 20, 7), (1 << 28, 11), (1 << 29, 12), (1 << 30, 12), (1 << 40, 17)],
)
def test_the_larger_the_variance_the_more_bits_go(variance: int, bits: int) -> None:
    assert inverse_root_bits(variance) == bits


@pytest.mark.parametrize(
    ("value", "factor", "wanted"),
    [
        (3, 0.5, 2),  # From a half on there is one rounding, and halves go up.
        (-3, 0.5, -1),
        (1, 0.25, 1),  # Times 0.5 is a half, which goes up, and half of 1 again.
        (3, 0.25, 1),
        (-3, 0.25, -1),  # Times 0.5 is -1.5, which goes up to -1, and half of that away from zero.
        (5, 0.3, 2),
        (3, 1.5, 5),
        (7, 4.0, 28),
        (9, 2.0**-40, 0),
    ],
)
def test_sums_are_rounded_twice_where_the_factor_is_below_a_half(value: int, factor: float, wanted: int) -> None:
    assert times_in_two_roundings(np.array([value]), np.array(factor)).tolist() == [wanted]


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1), st.floats(1e-12, 0.99))
def test_two_roundings_are_those_of_exact_fractions(values: list[int], factor: float) -> None:
    fraction, power = frexp(factor)
    exact = Fraction(floor(Fraction(fraction) * 2**31 + Fraction(1, 2)), 2**31)
    if exact == 1:
        exact, power = Fraction(1, 2), power + 1

    def rounded(value: int) -> int:
        # A power below the 31 bits of the fraction leaves nothing.
        if power < -31:
            return 0
        once = floor(value * exact + Fraction(1, 2))
        twice = Fraction(once, 2**-power)
        return floor(twice + Fraction(1, 2)) if twice >= 0 else ceil(twice - Fraction(1, 2))

    assert times_in_two_roundings(np.array(values), np.array(factor)).tolist() == [rounded(value) for value in values]


def test_each_channel_has_a_factor_of_its_own() -> None:
    sums = np.array([[1, 1, 1], [40, 40, 40]])

    assert times_in_two_roundings(sums, np.array([0.25, 0.5, 3.0])).tolist() == [[1, 1, 3], [10, 20, 120]]


def test_what_overflows_keeps_its_sign() -> None:
    found = times_in_two_roundings(np.array([-(2**31), -3, 3, 2**31]), np.array(2.0**60))

    assert (np.sign(found) * (np.abs(found) > 2**16)).tolist() == [-1, -1, 1, 1]
