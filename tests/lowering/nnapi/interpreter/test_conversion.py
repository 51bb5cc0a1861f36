"""CAST keeps stored numbers, QUANTIZE and DEQUANTIZE real ones."""

from __future__ import annotations

import numpy as np
import pytest

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.model import NOT_QUANTIZED, QuantParams
from tests.lowering.nnapi.interpreter.single_operation import compute, per_channel, tensor

REALS = np.array([-1.7, -0.5, 0.5, 1.7, 300.9], np.float32)


def test_cast_to_integers_cuts_fractions_off() -> None:
    assert compute("CAST", tensor(REALS), output=OperandType.TENSOR_INT32).tolist() == [-1, 0, 0, 1, 300]


def test_cast_ignores_scales_and_saturates() -> None:
    found = compute("CAST", tensor(REALS), output=OperandType.TENSOR_QUANT8_ASYMM, quant=QuantParams(4.0, 100))

    assert found.tolist() == [0, 0, 0, 1, 255]


def test_cast_of_what_no_integer_can_hold_is_defined() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 3e9], np.float32)

    found = compute("CAST", tensor(values), output=OperandType.TENSOR_INT32)

    assert found.tolist() == [0, 2**31 - 1, -(2**31), 2**31 - 1]


def test_cast_from_quantized_gives_the_stored_integers() -> None:
    stored = np.array([0, 100, 255], np.uint8)

    found = compute("CAST", tensor(stored, 4.0, 100), output=OperandType.TENSOR_FLOAT16, quant=NOT_QUANTIZED)

    assert found.tolist() == [0, 100, 255]


def test_booleans_can_only_be_cast_to_themselves() -> None:
    values = tensor(np.array([True, False]))

    assert compute("CAST", values).tolist() == [True, False]
    with pytest.raises(ExecutionError, match="TENSOR_BOOL8 cannot be cast to TENSOR_INT32"):
        compute("CAST", values, output=OperandType.TENSOR_INT32)


def test_quantize_rounds_halves_away_from_zero() -> None:
    values = np.array([-0.75, -0.25, 0.25, 0.75], np.float32)

    found = compute(
        "QUANTIZE", tensor(values), output=OperandType.TENSOR_QUANT8_ASYMM_SIGNED, quant=QuantParams(0.5, 3)
    )

    assert found.tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize("output", [OperandType.TENSOR_FLOAT32, OperandType.TENSOR_FLOAT16])
def test_dequantize_takes_the_scale_of_each_channel(output: OperandType) -> None:
    stored = per_channel(np.array([[-2, 4], [6, 8]], np.int8), (0.5, 0.25), 0)

    assert compute("DEQUANTIZE", stored, output=output).tolist() == [[-1, 2], [1.5, 2]]
