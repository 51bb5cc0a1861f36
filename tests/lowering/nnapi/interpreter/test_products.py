"""What sums of products of stored numbers become, against numbers worked out by hand and Android's own vectors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.lowering.nnapi.conformance.vector_rows import Ignored, VectorRow, read_rows
from nnapi_check.lowering.nnapi.interpreter.execute import execute
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array
from nnapi_check.lowering.nnapi.interpreter.products import requantize
from nnapi_check.lowering.nnapi.model import Computed, Immediate, Operand, QuantParams

VECTORS = os.environ.get("NNAPI_VECTORS")
COMPUTED_BY_ANDROID = ("conv_quant8_large", "conv_quant8_overflow")


def output(scale: float, zero_point: int) -> Operand:
    return Operand(OperandType.TENSOR_QUANT8_ASYMM, (1,), Computed(), QuantParams(scale, zero_point))


def test_sums_are_rounded_before_the_zero_point_is_added_and_then_saturated() -> None:
    sums = np.array([-3, -1, 1, 3, 5, 600], np.int32)

    assert requantize(sums, np.float32(0.5), output(1.0, 11)).tolist() == [10, 11, 12, 13, 14, 255]


def test_a_fused_activation_clamps_sums() -> None:
    assert requantize(np.array([-9, 9, 999]), np.float32(1.0), output(1.0, 11), FuseCode.RELU6).tolist() == [11, 17, 17]


def test_scales_of_channels_are_those_of_the_last_axis() -> None:
    sums = np.array([[8.0, 8.0], [-8.0, -8.0]])

    assert requantize(sums, np.array([0.5, 0.125], np.float32), output(1.0, 100)).tolist() == [[104, 101], [96, 99]]


def shaped(value: Immediate, operand: Operand) -> Array:
    sizes = operand.shape if isinstance(operand.shape, tuple) else (-1,)
    flat: Array = np.frombuffer(value.data, NUMPY_TYPES[operand.type])
    return flat.reshape([size if isinstance(size, int) else -1 for size in sizes])


def computed_by_android(row: VectorRow) -> bool:
    return row.name.startswith(COMPUTED_BY_ANDROID) and "channel" not in row.name


@pytest.mark.skipif(VECTORS is None, reason="NNAPI_VECTORS does not name a folder with vectors")
def test_convolutions_are_android_s_own_bit_for_bit() -> None:
    rows = [row for path in sorted(Path(VECTORS or "").glob("*.jsonl.gz")) for row in read_rows(path)]
    off, elements = 0, 0
    for row in filter(computed_by_android, rows):
        for example in row.examples:
            inputs = [
                shaped(value, row.model.operands[index])
                for index, value in zip(row.model.inputs, example.inputs, strict=True)
                if isinstance(value, Immediate)
            ]
            for found, expected in zip(execute(row.model, inputs).outputs, example.outputs, strict=True):
                assert not isinstance(expected, Ignored)
                wanted = np.frombuffer(expected.data, found.array.dtype)
                off += int((found.array.reshape(-1) != wanted).sum())
                elements += wanted.size

    assert (off, elements > 100) == (0, True)
