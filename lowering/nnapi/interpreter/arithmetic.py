"""Element by element arithmetic with broadcasting: ADD, SUB, MUL, DIV, POW, MAXIMUM, MINIMUM and PRELU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.lowering.nnapi.interpreter.arguments import int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, Call, ExecutionError, Tensor, kernel
from nnapi_check.lowering.nnapi.interpreter.products import product_scale, requantize
from nnapi_check.lowering.nnapi.interpreter.quantization import (
    QUANTIZED_TENSORS,
    Floats,
    activate,
    activation_range,
    centered,
    fuse_code,
    real_values,
    rescaled,
    round_half_away,
    store,
)
from nnapi_check.lowering.nnapi.model import Operand


@kernel("ADD")
def add(call: Call) -> Sequence[Array]:
    """Sum, and fused activation."""
    left, right, fuse = _read(call)
    if left.type is OperandType.TENSOR_INT32:
        return (np.add(left.array, right.array),)
    if left.type in QUANTIZED_TENSORS:
        return (_summed(left, right, 1, call.outputs[0], fuse),)
    return (_clamped(real_values(left) + real_values(right), call.outputs[0], fuse),)


@kernel("SUB")
def sub(call: Call) -> Sequence[Array]:
    """Difference, and fused activation."""
    left, right, fuse = _read(call)
    if left.type is OperandType.TENSOR_INT32:
        return (np.subtract(left.array, right.array),)
    if left.type in QUANTIZED_TENSORS:
        return (_summed(left, right, -1, call.outputs[0], fuse),)
    return (_clamped(real_values(left) - real_values(right), call.outputs[0], fuse),)


@kernel("MUL")
def mul(call: Call) -> Sequence[Array]:
    """Product, and fused activation."""
    left, right, fuse = _read(call)
    if left.type is OperandType.TENSOR_INT32:
        return (np.multiply(left.array, right.array),)
    output = call.outputs[0]
    if left.type in QUANTIZED_TENSORS:
        return (requantize(centered(left) * centered(right), product_scale(left, right), output, fuse),)
    return (_clamped(real_values(left) * real_values(right), output, fuse),)


@kernel("DIV")
def div(call: Call) -> Sequence[Array]:
    """Quotient, and fused activation. Integers divide towards minus infinity."""
    left, right, fuse = _read(call)
    if left.type is OperandType.TENSOR_INT32:
        return (np.floor_divide(left.array, right.array),)
    return (_clamped(real_values(left) / real_values(right), call.outputs[0], fuse),)


@kernel("POW")
def power(call: Call) -> Sequence[Array]:
    """Base to the power of the exponent."""
    base, exponent = real_values(required(call, 0)), real_values(required(call, 1))
    return (store(np.power(base, exponent), call.outputs[0]),)


@kernel("MAXIMUM")
def maximum(call: Call) -> Sequence[Array]:
    """The larger of two."""
    return (np.maximum(*_in_output_steps(call)),)


@kernel("MINIMUM")
def minimum(call: Call) -> Sequence[Array]:
    """The smaller of two."""
    return (np.minimum(*_in_output_steps(call)),)


@kernel("PRELU")
def prelu(call: Call) -> Sequence[Array]:
    """Negative values times alpha, others unchanged."""
    if required(call, 0).type in QUANTIZED_TENSORS:
        return (_slanted(required(call, 0), required(call, 1), call.outputs[0]),)
    values, alpha = real_values(required(call, 0)), real_values(required(call, 1))
    return (store(np.where(values >= 0, values, values * alpha), call.outputs[0]),)


def _in_output_steps(call: Call) -> tuple[Array, Array]:
    output = call.outputs[0]
    return rescaled(required(call, 0), output), rescaled(required(call, 1), output)


def _read(call: Call) -> tuple[Tensor, Tensor, FuseCode]:
    left, fuse = required(call, 0), fuse_code(int_at(call, 2))
    if left.type is OperandType.TENSOR_INT32 and fuse is not FuseCode.NONE:
        raise ExecutionError(f"the fused activation is {fuse.name}, but integers can have none")
    return left, required(call, 1), fuse


def _summed(left: Tensor, right: Tensor, sign: int, output: Operand, fuse: FuseCode) -> Array:
    """Left plus or minus right, rounded once, halves away from zero.

    In float64, as engines of integers have bits to spare: what lies exactly halfway does so here.
    """
    scales = [np.float64(np.float32(item.quant.scale)) for item in (left, right, output)]
    multiples = centered(left) * (scales[0] / scales[2]) + centered(right) * (sign * scales[1] / scales[2])
    steps = round_half_away(multiples) + output.quant.zero_point
    low, high = activation_range(fuse, output)
    stored: Array = np.clip(steps, low, high).astype(NUMPY_TYPES[output.type])
    return stored


def _slanted(given: Tensor, slope: Tensor, output: Operand) -> Array:
    values, slopes = centered(given), centered(slope)
    above = requantize(values, np.float32(given.quant.scale), output)
    return np.where(values >= 0, above, requantize(values * slopes, product_scale(given, slope), output))


def _clamped(real: Floats, output: Operand, fuse: FuseCode) -> Array:
    if output.type not in QUANTIZED_TENSORS:
        return store(activate(real, fuse), output)
    low, high = activation_range(fuse, output)
    clamped: Array = np.clip(store(real, output), low, high)
    return clamped
