"""Numbers as operands of each type store them."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.model_draft import TensorSpec

# What is as large or larger rounds to infinity: half a step above the largest finite number.
_HALF_LIMIT = 65520.0
_FLOAT_LIMIT = (2.0 - 2.0**-24) * 2.0**127

_STRUCTS = {
    OperandType.TENSOR_FLOAT32: "f",
    OperandType.FLOAT32: "f",
    OperandType.TENSOR_FLOAT16: "e",
    OperandType.FLOAT16: "e",
    OperandType.TENSOR_INT32: "i",
    OperandType.INT32: "i",
    OperandType.TENSOR_BOOL8: "?",
    OperandType.BOOL: "?",
    OperandType.TENSOR_QUANT8_ASYMM: "B",
    OperandType.TENSOR_QUANT8_ASYMM_SIGNED: "b",
}


def packed_numbers(numbers: Sequence[float], kind: OperandType) -> bytes:
    """The bytes of stored numbers, one after another, little-endian."""
    return struct.pack(f"<{len(numbers)}{_STRUCTS[kind]}", *numbers)


def stored_number(value: float, spec: TensorSpec) -> float:
    """A number as an operand of this type stores it; quantized types round to the nearest step."""
    match spec.type:
        case OperandType.TENSOR_INT32 | OperandType.INT32:
            return int(min(2**31 - 1, max(-(2**31), value)))
        case OperandType.TENSOR_BOOL8 | OperandType.BOOL:
            return bool(value)
        case OperandType.TENSOR_QUANT8_ASYMM:
            return min(255, max(0, round(value / spec.quant.scale) + spec.quant.zero_point))
        case OperandType.TENSOR_QUANT8_ASYMM_SIGNED:
            return min(127, max(-128, round(value / spec.quant.scale) + spec.quant.zero_point))
        case OperandType.TENSOR_FLOAT16 | OperandType.FLOAT16:
            return math.copysign(math.inf, value) if abs(value) >= _HALF_LIMIT else float(value)
        case _:
            return math.copysign(math.inf, value) if abs(value) >= _FLOAT_LIMIT else float(value)
