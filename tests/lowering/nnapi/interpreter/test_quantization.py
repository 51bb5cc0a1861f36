"""Rounding, saturation and fused activations of quantized numbers, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import Tensor
from nnapi_check.lowering.nnapi.interpreter.quantization import (
    activation_range,
    dequantize,
    quantize,
    rescaled,
    round_half_away,
    stored_range,
)
from nnapi_check.lowering.nnapi.model import NOT_QUANTIZED, ChannelQuantParams, Computed, Operand, QuantParams

UNSIGNED = OperandType.TENSOR_QUANT8_ASYMM
SIGNED = OperandType.TENSOR_QUANT8_ASYMM_SIGNED


def output(kind: OperandType, scale: float, zero_point: int) -> Operand:
    return Operand(kind, (1,), Computed(), QuantParams(scale, zero_point))


def test_halves_round_away_from_zero() -> None:
    values = np.array([-2.5, -1.5, -0.5, -0.49999997, 0.49999997, 0.5, 1.5, 2.5], np.float32)

    assert round_half_away(values).tolist() == [-3, -2, -1, 0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        (UNSIGNED, (0, 255)),
        (SIGNED, (-128, 127)),
        (OperandType.TENSOR_QUANT16_SYMM, (-32768, 32767)),
        (OperandType.TENSOR_QUANT16_ASYMM, (0, 65535)),
    ],
)
def test_stored_ranges_are_those_of_the_integers(kind: OperandType, limits: tuple[int, int]) -> None:
    assert stored_range(kind) == limits


def test_quantizing_saturates_at_both_ends_and_at_infinity() -> None:
    values = np.array([-1e9, -0.25, 0.0, 0.25, 1e9, np.inf, -np.inf], np.float32)

    with np.errstate(invalid="ignore"):
        stored = quantize(values, UNSIGNED, QuantParams(0.5, 100))

    assert stored.tolist() == [0, 99, 100, 101, 255, 255, 0]


def test_channels_are_scaled_along_their_own_axis() -> None:
    stored = np.array([[1, 2], [3, 4], [5, 6]], np.int8)
    channels = ChannelQuantParams((0.5, 2.0), channel_dim=1)

    real = dequantize(Tensor(OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL, stored, NOT_QUANTIZED, channels))

    assert real.tolist() == [[0.5, 4], [1.5, 8], [2.5, 12]]


def test_rescaling_stored_numbers_rounds_halves_away_from_zero() -> None:
    stored = Tensor(UNSIGNED, np.array([7, 9, 11, 13, 15], np.uint8), QuantParams(0.5, 10))

    assert rescaled(stored, output(UNSIGNED, 1.0, 11)).tolist() == [9, 10, 12, 13, 14]


@pytest.mark.parametrize(
    ("fuse", "limits"),
    [
        (FuseCode.NONE, (-128, 127)),
        (FuseCode.RELU, (-8, 127)),
        (FuseCode.RELU1, (-18, 2)),
        (FuseCode.RELU6, (-8, 52)),
    ],
)
def test_a_fused_activation_narrows_the_stored_range(fuse: FuseCode, limits: tuple[int, int]) -> None:
    assert activation_range(fuse, output(SIGNED, 0.1, -8)) == limits


@given(st.integers(0, 255), st.floats(1e-3, 10), st.integers(0, 255))
def test_quantizing_undoes_dequantizing(stored: int, scale: float, zero_point: int) -> None:
    quant = QuantParams(float(np.float32(scale)), zero_point)
    real = dequantize(Tensor(UNSIGNED, np.array([stored], np.uint8), quant))

    assert quantize(real, UNSIGNED, quant).tolist() == [stored]
