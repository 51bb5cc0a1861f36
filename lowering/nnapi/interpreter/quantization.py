"""Quantized numbers: from stored integers to real numbers and back, rounding, and fused activations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, ExecutionError, Tensor
from nnapi_check.lowering.nnapi.model import Operand, QuantParams

Floats = npt.NDArray[np.float32]
"""Real numbers as the reference computes them, whatever type they are stored in."""

Integers = npt.NDArray[np.integer]

FLOAT_TENSORS = frozenset({OperandType.TENSOR_FLOAT32, OperandType.TENSOR_FLOAT16})

QUANTIZED_TENSORS = frozenset(
    {
        OperandType.TENSOR_QUANT8_ASYMM,
        OperandType.TENSOR_QUANT8_ASYMM_SIGNED,
        OperandType.TENSOR_QUANT8_SYMM,
        OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL,
        OperandType.TENSOR_QUANT16_SYMM,
        OperandType.TENSOR_QUANT16_ASYMM,
    }
)

ACTIVATION_BOUNDS: dict[FuseCode, tuple[float, float]] = {
    FuseCode.NONE: (-np.inf, np.inf),
    FuseCode.RELU: (0.0, np.inf),
    FuseCode.RELU1: (-1.0, 1.0),
    FuseCode.RELU6: (0.0, 6.0),
}
"""The smallest and the largest real number that each fused activation lets pass."""


def stored_range(kind: OperandType) -> tuple[int, int]:
    """The smallest and the largest integer that an element of an integer type stores."""
    dtype = NUMPY_TYPES[kind]
    count: int = 256**dtype.itemsize
    return (0, count - 1) if dtype.kind == "u" else (-(count // 2), count // 2 - 1)


def round_half_away(real: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Round to the nearest integer, halves away from zero, as C's ``round`` does."""
    whole = np.trunc(real)
    away: npt.NDArray[np.floating] = whole + np.where(np.abs(real - whole) >= 0.5, np.sign(real), 0).astype(real.dtype)
    return away


def along(values: npt.ArrayLike, rank: int, axis: int) -> Floats:
    """One number a slice, shaped so that it broadcasts along ``axis`` of a tensor of rank ``rank``."""
    shape = [1] * rank
    shape[axis] = -1
    return np.asarray(values, dtype=np.float32).reshape(shape)


def centered(tensor: Tensor) -> npt.NDArray[np.int32]:
    """The stored integers minus the zero point. Symmetric types have none."""
    return tensor.array.astype(np.int32) - np.int32(tensor.quant.zero_point)


def dequantize(tensor: Tensor) -> Floats:
    """The real numbers of a quantized tensor, with its scale or its scales per channel."""
    if tensor.channels is not None:
        scales = along(tensor.channels.scales, tensor.array.ndim, tensor.channels.channel_dim)
        return tensor.array.astype(np.float32) * scales
    return centered(tensor).astype(np.float32) * np.float32(tensor.quant.scale)


def real_values(tensor: Tensor) -> Floats:
    """The real numbers of a floating point or quantized tensor or scalar, as float32."""
    if tensor.type in QUANTIZED_TENSORS:
        return dequantize(tensor)
    return tensor.array.astype(np.float32, copy=False)


def quantize(real: npt.NDArray[np.floating], kind: OperandType, quant: QuantParams) -> Array:
    """Real numbers in the stored form of ``kind``: rounded half away from zero and saturated."""
    steps = round_half_away(real / real.dtype.type(quant.scale)) + quant.zero_point
    return saturate(steps, kind)


def saturate(numbers: npt.NDArray[np.floating] | Integers, kind: OperandType) -> Array:
    """Whole numbers in the stored form of ``kind``: what is out of range becomes the nearest limit."""
    low, high = stored_range(kind)
    return np.fmax(np.fmin(numbers, high), low).astype(NUMPY_TYPES[kind])


def store(real: npt.NDArray[np.floating], operand: Operand) -> Array:
    """Real numbers in the stored form that ``operand`` declares: floating point or quantized."""
    if operand.type in QUANTIZED_TENSORS:
        return quantize(real, operand.type, operand.quant)
    return real.astype(NUMPY_TYPES[operand.type], copy=False)


def rescaled(tensor: Tensor, output: Operand) -> Array:
    """The stored numbers that mean the same under the output's quantization, rounded half away from zero."""
    if tensor.type not in QUANTIZED_TENSORS or tensor.quant == output.quant:
        return tensor.array
    steps = round_half_away(centered(tensor) * (tensor.quant.scale / output.quant.scale)) + output.quant.zero_point
    return saturate(steps, output.type)


def activation_range(fuse: FuseCode, output: Operand) -> tuple[int, int]:
    """The smallest and the largest stored integer of ``output`` that a fused activation lets pass."""
    low, high = stored_range(output.type)
    real_low, real_high = ACTIVATION_BOUNDS[fuse]
    if np.isfinite(real_low):
        low = max(low, _steps(real_low, output.quant))
    if np.isfinite(real_high):
        high = min(high, _steps(real_high, output.quant))
    return low, high


def _steps(real: float, quant: QuantParams) -> int:
    return quant.zero_point + int(round_half_away(np.asarray([real / quant.scale], dtype=np.float32))[0])


def activate(real: Floats, fuse: FuseCode) -> Floats:
    """Real numbers after a fused activation."""
    if fuse is FuseCode.NONE:
        return real
    low, high = ACTIVATION_BOUNDS[fuse]
    # NumPy's minimum and maximum let NaN through, as the activations of PyTorch do.
    return np.minimum(np.maximum(real, np.float32(low)), np.float32(high))


def fuse_code(value: int) -> FuseCode:
    """The fused activation that a scalar input names."""
    try:
        return FuseCode(value)
    except ValueError:
        raise ExecutionError(f"a fused activation is {value}, which is none of 0 to 3") from None
