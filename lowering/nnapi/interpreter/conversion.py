"""CAST, QUANTIZE and DEQUANTIZE."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.arguments import required
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import FLOAT_TENSORS, dequantize, real_values, saturate, store

CASTS = FLOAT_TENSORS | {OperandType.TENSOR_INT32, OperandType.TENSOR_QUANT8_ASYMM}
"""The types that CAST turns into each other. Others can only be cast to themselves."""


@kernel("CAST")
def cast(call: Call) -> Sequence[Array]:
    """The stored numbers in another type: scales are ignored, fractions cut off, and what is too large saturates."""
    tensor, wanted = required(call, 0), call.outputs[0].type
    if tensor.type is wanted:
        return (tensor.array,)
    if tensor.type not in CASTS or wanted not in CASTS:
        raise ExecutionError(f"{tensor.type.name} cannot be cast to {wanted.name}")
    if wanted in FLOAT_TENSORS:
        return (tensor.array.astype(NUMPY_TYPES[wanted]),)
    if tensor.type in FLOAT_TENSORS:
        # In float64 every limit of the integer types is exact. What is not a number becomes 0.
        whole = np.trunc(np.nan_to_num(tensor.array.astype(np.float64), posinf=np.inf, neginf=-np.inf))
        return (saturate(whole, wanted),)
    return (saturate(tensor.array.astype(np.int64), wanted),)


@kernel("QUANTIZE")
def quantize(call: Call) -> Sequence[Array]:
    """Real numbers as the output's integers."""
    return (store(real_values(required(call, 0)), call.outputs[0]),)


@kernel("DEQUANTIZE")
def dequantize_tensor(call: Call) -> Sequence[Array]:
    """Integers as the real numbers that they stand for."""
    return (store(dequantize(required(call, 0)), call.outputs[0]),)
