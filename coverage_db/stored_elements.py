"""How NNAPI stores the elements of each operand type, and how large an operand may be."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from nnapi_check.coverage_db.spec import OperandType

HIGHEST_SIZE = 0xFFFFFFFF
"""The highest size of an operand in bytes, and of a dimension."""

ELEMENT_CODES: Mapping[OperandType, str] = {
    OperandType.FLOAT32: "f",
    OperandType.INT32: "i",
    OperandType.UINT32: "I",
    OperandType.TENSOR_FLOAT32: "f",
    OperandType.TENSOR_INT32: "i",
    OperandType.TENSOR_QUANT8_ASYMM: "B",
    OperandType.BOOL: "?",
    OperandType.TENSOR_QUANT16_SYMM: "h",
    OperandType.TENSOR_FLOAT16: "e",
    OperandType.TENSOR_BOOL8: "?",
    OperandType.FLOAT16: "e",
    OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL: "b",
    OperandType.TENSOR_QUANT16_ASYMM: "H",
    OperandType.TENSOR_QUANT8_SYMM: "b",
    OperandType.TENSOR_QUANT8_ASYMM_SIGNED: "b",
}
"""The ``struct`` code of one element of every type that has elements."""

ELEMENT_STRUCTS = {kind: struct.Struct(f"<{code}") for kind, code in ELEMENT_CODES.items()}
"""How one element of every type that has elements is stored."""
