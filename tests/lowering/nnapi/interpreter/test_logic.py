"""Comparisons, logical operations and SELECT."""

from __future__ import annotations

import numpy as np
import pytest

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.single_operation import compute, tensor

BOOLEANS = OperandType.TENSOR_BOOL8


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("EQUAL", [False, True, False]),
        ("NOT_EQUAL", [True, False, True]),
        ("GREATER", [False, False, True]),
        ("GREATER_EQUAL", [False, True, True]),
        ("LESS", [True, False, False]),
        ("LESS_EQUAL", [True, True, False]),
    ],
)
def test_comparisons_broadcast(kind: str, expected: list[bool]) -> None:
    left, right = tensor(np.array([[1, 2, 3]], np.int32)), tensor(np.array([2], np.int32))

    assert compute(kind, left, right, output=BOOLEANS).tolist() == [expected]


def test_quantized_comparisons_are_those_of_real_numbers() -> None:
    left, right = tensor(np.array([10, 10], np.uint8), 1.0, 0), tensor(np.array([25, 30], np.uint8), 0.5, 5)

    assert compute("EQUAL", left, right, output=BOOLEANS, quant=QuantParams(0, 0)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("LOGICAL_AND", [[True, False], [False, False]]), ("LOGICAL_OR", [[True, True], [True, False]])],
)
def test_connectives_broadcast(kind: str, expected: list[list[bool]]) -> None:
    values = np.array([True, False])

    assert compute(kind, tensor(values.reshape(2, 1)), tensor(values)).tolist() == expected


def test_logical_not_is_the_opposite() -> None:
    assert compute("LOGICAL_NOT", tensor(np.array([True, False]))).tolist() == [False, True]


def test_select_rescales_both_sides_to_the_output() -> None:
    condition = tensor(np.array([True, False]))
    left, right = tensor(np.array([10, 10], np.uint8), 1.0, 0), tensor(np.array([25, 30], np.uint8), 0.5, 5)

    found = compute(
        "SELECT", condition, left, right, output=OperandType.TENSOR_QUANT8_ASYMM, quant=QuantParams(0.25, 1)
    )

    assert found.tolist() == [41, 51]


def test_select_does_not_broadcast() -> None:
    values = tensor(np.array([[1, 2], [3, 4]], np.float32))

    with pytest.raises(ExecutionError, match="does not broadcast"):
        compute("SELECT", tensor(np.array([True, False])), values, values, output=OperandType.TENSOR_FLOAT32)
