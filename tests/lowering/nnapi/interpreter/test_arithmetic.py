"""Arithmetic with broadcasting, for all element types."""

from __future__ import annotations

import numpy as np
import pytest

from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.single_operation import assert_close, compute, random, random_integers, tensor

LEFT = np.array([[7, -7, 6], [1, 0, -1]], np.int32)
RIGHT = np.array([2, 2, -4], np.int32)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ADD", [[9, -5, 2], [3, 2, -5]]),
        ("SUB", [[5, -9, 10], [-1, -2, 3]]),
        ("MUL", [[14, -14, -24], [2, 0, 4]]),
        ("DIV", [[3, -4, -2], [0, 0, 0]]),
    ],
)
def test_integers_are_exact_and_divide_towards_minus_infinity(kind: str, expected: list[list[int]]) -> None:
    assert compute(kind, tensor(LEFT), tensor(RIGHT), 0).tolist() == expected


def test_integers_wrap_around() -> None:
    assert compute("ADD", tensor(np.array([2**31 - 1], np.int32)), tensor(np.array([1], np.int32)), 0) == [-(2**31)]


def test_integers_refuse_a_fused_activation() -> None:
    with pytest.raises(ExecutionError, match="RELU"):
        compute("ADD", tensor(LEFT), tensor(RIGHT), 1)


@pytest.mark.parametrize(("kind", "operator"), [("ADD", np.add), ("SUB", np.subtract), ("MUL", np.multiply)])
@pytest.mark.parametrize(("dtype", "low"), [("u1", 0), ("i1", -128)])
def test_quantized_arithmetic_is_that_of_real_numbers(kind: str, operator: np.ufunc, dtype: str, low: int) -> None:
    left = random_integers(low, low + 256, 3, 1, 5, dtype=dtype)
    right = random_integers(low, low + 256, 4, 1, dtype=dtype, seed=8)
    real = operator((left.astype("f8") - (low + 10)) * 0.3, (right.astype("f8") - (low + 20)) * 0.7)
    expected = np.clip(np.rint(real / 3.7) + low + 90, low, low + 255)

    found = compute(
        kind, tensor(left, 0.3, low + 10), tensor(right, 0.7, low + 20), 0, quant=QuantParams(3.7, low + 90)
    )

    assert found.shape == (3, 4, 5)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found == expected).mean() > 0.99


def test_a_fused_activation_clamps_quantized_sums() -> None:
    values = np.array([0, 100, 110, 200], np.uint8)

    found = compute("ADD", tensor(values, 0.5, 100), tensor(np.array([100], np.uint8), 0.5, 100), 3)

    assert found.tolist() == [100, 100, 110, 112]


def test_dividing_by_zero_gives_infinity_without_a_warning() -> None:
    found = compute("DIV", tensor(np.array([1, -1], np.float32)), tensor(np.zeros(1, np.float32)), 0)

    assert found.tolist() == [np.inf, -np.inf]


def test_float16_saturates_to_infinity() -> None:
    large = np.array([60000], np.float16)

    assert compute("ADD", tensor(large), tensor(large), 0).tolist() == [np.inf]


def test_power_broadcasts() -> None:
    base, exponent = np.abs(random(2, 3)), random(3)

    assert_close(compute("POW", tensor(base), tensor(exponent)), base**exponent, rtol=1e-6)


def test_maximum_and_minimum_compare_by_real_numbers() -> None:
    left, right = tensor(np.array([10, 10], np.uint8), 1.0, 0), tensor(np.array([8, 30], np.uint8), 0.5, 0)

    largest = compute("MAXIMUM", left, right, quant=QuantParams(0.25, 2))
    smallest = compute("MINIMUM", left, right, quant=QuantParams(0.25, 2))

    assert largest.tolist() == [42, 62]
    assert smallest.tolist() == [18, 42]


def test_prelu_multiplies_only_what_is_negative() -> None:
    values = np.array([[-2, 3], [4, -5]], np.float32)

    assert compute("PRELU", tensor(values), tensor(np.array([0.5, 2], np.float32))).tolist() == [[-1, 3], [4, -10]]


def test_quantized_prelu_is_that_of_real_numbers() -> None:
    values, alpha = random_integers(0, 256, 3, 5), random_integers(0, 256, 5, seed=8)
    real, slope = (values.astype("f8") - 120) * 0.2, (alpha.astype("f8") - 50) * 0.01
    expected = np.clip(np.rint(np.where(real >= 0, real, real * slope) / 0.3) + 99, 0, 255)

    found = compute("PRELU", tensor(values, 0.2, 120), tensor(alpha, 0.01, 50), quant=QuantParams(0.3, 99))

    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found == expected).mean() > 0.9
