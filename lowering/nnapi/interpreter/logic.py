"""Comparisons, logical operations and SELECT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import QUANTIZED_TENSORS, dequantize, rescaled

COMPARISONS: dict[str, np.ufunc] = {
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
}
"""The comparison that each operation makes, with broadcasting."""

CONNECTIVES: dict[str, np.ufunc] = {"LOGICAL_AND": np.logical_and, "LOGICAL_OR": np.logical_or}
"""The logical operations of two tensors, with broadcasting."""


@kernel(*COMPARISONS)
def compare(call: Call) -> Sequence[Array]:
    """Whether the comparison holds. Quantized tensors compare by their real numbers."""
    sides = (required(call, 0), required(call, 1))
    left, right = (dequantize(side) if side.type in QUANTIZED_TENSORS else side.array for side in sides)
    return (COMPARISONS[call.kind](left, right),)


@kernel(*CONNECTIVES)
def connect(call: Call) -> Sequence[Array]:
    """Both, or one of two."""
    return (CONNECTIVES[call.kind](required(call, 0).array, required(call, 1).array),)


@kernel("LOGICAL_NOT")
def logical_not(call: Call) -> Sequence[Array]:
    """The opposite."""
    return (np.logical_not(required(call, 0).array),)


@kernel("SELECT")
def select(call: Call) -> Sequence[Array]:
    """Elements of the first tensor where the condition holds, of the second elsewhere."""
    condition, output = required(call, 0).array, call.outputs[0]
    left, right = rescaled(required(call, 1), output), rescaled(required(call, 2), output)
    if not condition.shape == left.shape == right.shape:
        raise ExecutionError(
            f"shapes {condition.shape}, {left.shape} and {right.shape} differ, and SELECT does not broadcast"
        )
    return (np.where(condition, left, right),)
