"""FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.products import exact_factors, finish, product_scale, requantize
from nnapi_check.lowering.nnapi.interpreter.quantization import (
    FLOAT_TENSORS,
    fuse_code,
    store,
)


@kernel("FULLY_CONNECTED")
def fully_connected(call: Call) -> Sequence[Array]:
    """Rows of the input, flattened to the weights' width, times the transposed weights, plus bias."""
    values, weights = required(call, 0), required(call, 1)
    if weights.array.ndim != 2 or weights.array.shape[1] == 0 or values.array.size % weights.array.shape[1]:
        raise ExecutionError(f"weights of shape {weights.array.shape} do not fit an input of {values.array.shape}")
    factors = exact_factors(values, weights, channel_axis=0)
    rows = factors.values.reshape(values.array.size // weights.array.shape[1], weights.array.shape[1])
    sums = rows @ factors.weights.T
    fuse = fuse_code(int_at(call, 3))
    return (finish(sums, values, weights, required(call, 2), call.outputs[0], fuse),)


@kernel("BATCH_MATMUL")
def batch_matmul(call: Call) -> Sequence[Array]:
    """Products of the matrices in the last two axes, either of them transposed first where its flag says so."""
    left, right = required(call, 0), required(call, 1)
    transposed_left, transposed_right = bool_at(call, 2, default=False), bool_at(call, 3, default=False)
    if left.array.ndim != right.array.ndim or left.array.ndim < 2:
        raise ExecutionError(
            f"the inputs have ranks {left.array.ndim} and {right.array.ndim}, wanted equal ones from 2"
        )

    def turned(array: Array, *, transposed: bool) -> Array:
        return array.swapaxes(-1, -2) if transposed else array

    if left.type is OperandType.TENSOR_INT32:
        return (
            np.matmul(turned(left.array, transposed=transposed_left), turned(right.array, transposed=transposed_right)),
        )
    # Sums run over any axis of the right input but this one.
    factors = exact_factors(left, right, channel_axis=-2 if transposed_right else -1)
    products = np.matmul(
        turned(factors.values, transposed=transposed_left), turned(factors.weights, transposed=transposed_right)
    )
    output = call.outputs[0]
    if left.type in FLOAT_TENSORS:
        return (store(products, output),)
    return (requantize(products, product_scale(left, right), output),)
