"""Which NNAPI operand type stands for a PyTorch tensor's element type and quantization, and which ranks there are."""

from __future__ import annotations

from ctypes import c_float

from nnapi_check.analyzer.graph import ElementType, NotQuantized, PerChannel, PerTensor, TensorType
from nnapi_check.coverage_db.spec import OperandType

_PLAIN = {
    ElementType.FLOAT32: OperandType.TENSOR_FLOAT32,
    ElementType.FLOAT16: OperandType.TENSOR_FLOAT16,
    ElementType.INT32: OperandType.TENSOR_INT32,
    ElementType.INT64: OperandType.TENSOR_INT32,
    ElementType.BOOL: OperandType.TENSOR_BOOL8,
}
# Signed integers are held as unsigned ones, 128 higher: that exists from feature level 1, and the numbers are the same.
_PER_TENSOR = {
    ElementType.QUINT8: OperandType.TENSOR_QUANT8_ASYMM,
    ElementType.QINT8: OperandType.TENSOR_QUANT8_ASYMM,
    ElementType.QINT32: OperandType.TENSOR_INT32,
}

MAX_RANK = 4
"""The most dimensions that most of NNAPI's operations take."""

SCALES = (2.0**-126, 2.0**126)
"""The least and the greatest scale: float32 has them, and their inverses, in full precision."""

GREATEST_STORED = 255
"""The greatest of the unsigned integers that quantized tensors are held as."""

SIGNED_SHIFT = 128
"""What is added to signed quantized integers, and to their zero point, where they are held as unsigned ones."""


def operand_type(tensor: TensorType) -> OperandType | None:
    """The operand type that holds such a tensor, or None where NNAPI has none (float64, uint8, complex)."""
    match tensor.quant:
        case NotQuantized():
            return _PLAIN.get(tensor.dtype)
        case PerTensor():
            return _PER_TENSOR.get(tensor.dtype)
        case PerChannel():
            is_signed = tensor.dtype is ElementType.QINT8
            return OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL if is_signed else None


def copying_operation(kind: OperandType) -> str:
    """The operation that copies a tensor of this type and came first of those that can."""
    return {OperandType.TENSOR_INT32: "SLICE", OperandType.TENSOR_BOOL8: "LOGICAL_AND"}.get(kind, "RESHAPE")


def single_precision(number: float) -> float:
    """The float32 nearest to a number, as NNAPI is given it: 0.09 is not thrice 0.03 there. Infinity beyond."""
    return c_float(number).value
