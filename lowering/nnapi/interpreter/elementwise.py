"""Functions of one tensor, element by element, and the activations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.lowering.nnapi.interpreter.arguments import float_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import (
    QUANTIZED_TENSORS,
    Floats,
    activate,
    activation_range,
    real_values,
    store,
)

UFUNCS: dict[str, np.ufunc] = {
    "ABS": np.abs,
    "EXP": np.exp,
    "FLOOR": np.floor,
    "LOG": np.log,
    "NEG": np.negative,
    "SIN": np.sin,
    "SQRT": np.sqrt,
    "TANH": np.tanh,
}
"""The operations that are one function of NumPy."""

CLAMPS = {"RELU": FuseCode.RELU, "RELU1": FuseCode.RELU1, "RELU6": FuseCode.RELU6}
"""The activations that can be fused, as operations."""


@kernel(*UFUNCS)
def apply_ufunc(call: Call) -> Sequence[Array]:
    """The function that the operation names."""
    function, tensor = UFUNCS[call.kind], required(call, 0)
    if tensor.type is OperandType.TENSOR_INT32:
        return (function(tensor.array),)
    return (store(function(real_values(tensor)), call.outputs[0]),)


@kernel("RSQRT")
def rsqrt(call: Call) -> Sequence[Array]:
    """One over the square root."""
    return (store(np.float32(1) / np.sqrt(_real(call)), call.outputs[0]),)


@kernel(*CLAMPS)
def clamp(call: Call) -> Sequence[Array]:
    """Values limited to the range of the activation."""
    tensor, output, code = required(call, 0), call.outputs[0], CLAMPS[call.kind]
    if tensor.type not in QUANTIZED_TENSORS:
        return (store(activate(real_values(tensor), code), output),)
    # Input and output have one scale and zero point, so stored integers are limited directly.
    low, high = activation_range(code, output)
    return (np.clip(tensor.array, low, high),)


@kernel("LOGISTIC")
def logistic(call: Call) -> Sequence[Array]:
    """One over one plus the exponential of the negative."""
    return (store(np.float32(1) / (np.float32(1) + np.exp(-_real(call))), call.outputs[0]),)


@kernel("ELU")
def elu(call: Call) -> Sequence[Array]:
    """Negative values become alpha times (exponential - 1)."""
    values = _real(call)
    below = np.float32(float_at(call, 1)) * (np.exp(values) - np.float32(1))
    return (store(np.maximum(values, 0) + np.minimum(below, 0), call.outputs[0]),)


@kernel("HARD_SWISH")
def hard_swish(call: Call) -> Sequence[Array]:
    """Each value x becomes x * relu6(x + 3) / 6."""
    values = _real(call)
    gate = activate(values + np.float32(3), FuseCode.RELU6) / np.float32(6)
    return (store(values * gate, call.outputs[0]),)


def _real(call: Call) -> Floats:
    return real_values(required(call, 0))
