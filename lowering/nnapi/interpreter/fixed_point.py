"""16-bit fixed-point numbers, as quantized recurrent layers compute with them: shifts, products, logistic and tanh.

A number of I integer bits stands for ``stored / 2**(15 - I)``. Results saturate at 16 bits. The logistic function and
tanh follow gemmlowp's published approximation step by step, as the conformance tests expect its errors of a few
units in the last place: https://github.com/google/gemmlowp/blob/master/fixedpoint/fixedpoint.h.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnapi_check.lowering.nnapi.interpreter.quantization import round_half_away

Fixed = npt.NDArray[np.int64]
"""Stored integers, in a type with room for products."""

UNIT_BITS = 15
"""Fraction bits of numbers without integer bits, between -1 and 1: what gates and tanh yield."""

GATE_BITS = 12
"""Fraction bits of numbers between -8 and 8: what gates and tanh read."""

ONE = 2**UNIT_BITS - 1
"""The largest number below 1, which stands for 1 where there are no integer bits."""

_FACTOR_BITS = 31
"""Fraction bits of the factors by which sums are rescaled."""

_MOST_LEFT = 30
"""So many places a sum of 32 bits is shifted to the left at most."""

_NEWTON_STEPS = 3
_LARGEST_EXPONENT = 4
_EXP_TERMS = {-3: np.exp(-1 / 8), **{power: np.exp(-(2.0**power)) for power in range(-2, _LARGEST_EXPONENT + 1)}}


def saturate16(values: Fixed) -> Fixed:
    """The values, those out of 16 bits replaced by the nearest limit."""
    return np.clip(values, -(2**15), 2**15 - 1)


def rescale(values: Fixed, factor: float) -> Fixed:
    """The values times a real factor, in two roundings: times its significand, then divided by its power of two."""
    return rescale_by_steps(values, factor, max(0, -math.frexp(factor)[1]))


def rescale_by_steps(values: Fixed, factor: float, bits: int) -> Fixed:
    """The values times ``factor * 2**bits``, rounded, then divided by ``2**bits``, rounded half away from zero."""
    return shift_right(round_half_away(values * np.float64(factor * 2.0**bits)).astype(np.int64), bits)


def times_in_two_roundings(
    values: npt.NDArray[np.floating] | npt.NDArray[np.integer], factors: npt.NDArray[np.float64]
) -> Fixed:
    """Whole numbers times positive real factors, which broadcast: what is beyond 32 bits is some number beyond 16.

    A factor is a fraction of 31 bits, from a half on, times a power of two. The product with the fraction is rounded,
    halves up, and what is then divided by the power rounded again, halves away from zero.
    """
    fractions, powers = np.frexp(factors)
    whole = np.floor(fractions * 2.0**_FACTOR_BITS + 0.5).astype(np.int64)
    is_one = whole == 1 << _FACTOR_BITS
    whole, powers = np.where(is_one, whole >> 1, whole), powers + is_one
    right, left = np.maximum(-powers, 0).astype(np.int64), np.clip(powers, 0, _MOST_LEFT).astype(np.int64)
    whole = np.where(right > _FACTOR_BITS, 0, whole)
    # Results of 8 bits saturate long before their sums leave the range.
    largest = np.int64(2**_FACTOR_BITS - 1) >> left
    found: Fixed = np.clip(values.astype(np.int64), -largest, largest)
    found <<= left
    found *= whole
    found += 1 << _FACTOR_BITS - 1
    found >>= _FACTOR_BITS
    return found if not right.any() else shift_right(found, right)


def inverse_root_bits(variance: int) -> int:
    """By how many bits a product with ``1 / sqrt(variance)`` is divided in its second rounding."""
    if variance <= 1:
        return 0
    bits = 11
    while variance >= 1 << 29:
        variance //= 4
        bits += 1
    return max(0, bits - ((31 - variance.bit_length()) // 2 - 1))


def shift_right(values: Fixed, bits: int | Fixed) -> Fixed:
    """The values divided by a power of two, or one that broadcasts, rounded half away from zero."""
    half = np.int64(1) << bits >> 1
    quotient: Fixed = np.sign(values) * (np.abs(values) + half >> bits)
    return quotient


def product_of_units(a: Fixed, b: Fixed | int) -> Fixed:
    """The product where one factor has 15 fraction bits: it keeps those of the other. Halves round up."""
    return saturate16(a * b + (1 << UNIT_BITS - 1) >> UNIT_BITS)


def logistic(values: Fixed, integer_bits: int) -> Fixed:
    """The logistic function, without integer bits."""
    positive = _reciprocal_of_one_plus(_exp_of_negative(-np.abs(values), integer_bits), 0)
    return np.where(values > 0, positive, np.where(values == 0, 1 << UNIT_BITS - 1, ONE - positive))


def tanh(values: Fixed, integer_bits: int) -> Fixed:
    """The hyperbolic tangent, without integer bits."""
    # The exponential of twice the number: the same bits, read with one more integer bit.
    size = _reciprocal_of_one_plus(_exp_of_negative(-np.abs(values), integer_bits + 1), 1)
    return np.sign(values) * size


def _constant(real: float, integer_bits: int) -> int:
    return int(np.floor(real * 2.0 ** (UNIT_BITS - integer_bits) + 0.5))


def _exp_of_negative(values: Fixed, integer_bits: int) -> Fixed:
    """The exponential of numbers up to 0, without integer bits: a Taylor series for the part above a quarter, times a
    constant for each quarter, half, 1, 2 .. of the rest."""
    fraction_bits = UNIT_BITS - integer_bits
    quarter = 1 << fraction_bits - 2
    above = (values & quarter - 1) - quarter
    result = _exp_near_zero(above << integer_bits)
    rest = above - values
    for power in range(-2, min(integer_bits, _LARGEST_EXPONENT + 1)):
        is_set = rest >> fraction_bits + power & 1
        result = np.where(is_set, product_of_units(result, _constant(_EXP_TERMS[power], 0)), result)
    if integer_bits > _LARGEST_EXPONENT + 1:
        result = np.where(values < -(1 << fraction_bits + _LARGEST_EXPONENT + 1), 0, result)
    return np.where(values == 0, ONE, result)


def _exp_near_zero(values: Fixed) -> Fixed:
    """The exponential between -1/4 and 0 by a Taylor series of four terms around -1/8."""
    center = _constant(_EXP_TERMS[-3], 0)
    x = values + (1 << UNIT_BITS - 3)
    x2 = product_of_units(x, x)
    x3 = product_of_units(x2, x)
    x4 = product_of_units(x2, x2)
    third = _constant(1 / 3, 0)
    tail = shift_right(product_of_units(shift_right(x4, 2) + x3, third) + x2, 1)
    return saturate16(center + product_of_units(x + tail, center))


def _reciprocal_of_one_plus(values: Fixed, integer_bits: int) -> Fixed:
    """For x from 0 to 1: 1 / (1 + x), or with ``integer_bits`` 1, (1 - x) / (1 + x), by Newton's method."""
    half_denominator = values + ONE + 1 >> 1
    one = 1 << UNIT_BITS - 2
    x = _constant(48 / 17, 2) + product_of_units(half_denominator, _constant(-32 / 17, 2))
    for _ in range(_NEWTON_STEPS):
        error = one - product_of_units(half_denominator, x)
        # The product of two numbers of two integer bits has four.
        x = x + saturate16(product_of_units(x, error) << 2)
    # x is 2 / (1 + x) with two integer bits.
    return saturate16(x - one << 2) if integer_bits else saturate16(x << 1)
