"""Exact and fast matrix products of stored numbers, and what a weighted sum becomes in the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnapi_check.coverage_db.spec import FuseCode
from nnapi_check.lowering.nnapi.interpreter.fixed_point import times_in_two_roundings
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, ExecutionError, Tensor
from nnapi_check.lowering.nnapi.interpreter.quantization import (
    QUANTIZED_TENSORS,
    Integers,
    activate,
    activation_range,
    centered,
    real_values,
    store,
)
from nnapi_check.lowering.nnapi.model import Operand

Numbers = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Factors:
    """Two operands of a weighted sum in a type in which the sum is exact, if the operands are integers."""

    values: Numbers
    weights: Numbers


def exact_factors(values: Tensor, weights: Tensor, channel_axis: int) -> Factors:
    """Float operands as float32; quantized ones without zero points, in the narrowest type that sums exactly."""
    if values.type not in QUANTIZED_TENSORS:
        return Factors(real_values(values), real_values(weights))
    others = tuple(axis for axis in range(weights.array.ndim) if axis != channel_axis % weights.array.ndim)
    heaviest = int(np.abs(centered(weights)).sum(axis=others, dtype=np.int64).max(initial=0))
    # Whole numbers below 2^24 are exact in float32, and so is every partial sum of them, in any order.
    is_narrow = _largest(values) * heaviest < 2**24
    dtype: np.dtype[np.floating] = np.dtype(np.float32) if is_narrow else np.dtype(np.float64)
    return Factors(_without_zero_point(values, dtype), _without_zero_point(weights, dtype))


def _largest(tensor: Tensor) -> int:
    if tensor.array.size == 0:
        return 0
    stored: npt.NDArray[np.integer] = tensor.array.view(np.dtype(tensor.array.dtype.str))
    return max(abs(int(limit) - tensor.quant.zero_point) for limit in (stored.min(), stored.max()))


def _without_zero_point(tensor: Tensor, dtype: np.dtype[np.floating]) -> Numbers:
    numbers: Numbers = tensor.array.astype(dtype)
    if tensor.quant.zero_point:
        numbers -= dtype.type(tensor.quant.zero_point)
    return numbers


def finish(sums: Numbers, values: Tensor, weights: Tensor, bias: Tensor, output: Operand, fuse: FuseCode) -> Array:
    """Add the bias to sums that nobody else uses, rescale and clamp. Their last axis holds the output channels."""
    if bias.array.shape != (sums.shape[-1],):
        raise ExecutionError(f"the bias has shape {bias.array.shape}, wanted ({sums.shape[-1]},)")
    if values.type not in QUANTIZED_TENSORS:
        sums += real_values(bias)
        return store(activate(sums.astype(np.float32, copy=False), fuse), output)
    whole = sums.astype(np.float64, copy=False)
    whole += bias.array.astype(np.float64)
    return requantize(whole, product_scale(values, weights), output, fuse)


def requantize(
    sums: Numbers | Integers,
    scale: npt.NDArray[np.float32] | np.float32,
    output: Operand,
    fuse: FuseCode = FuseCode.NONE,
) -> Array:
    """Integer sums with a scale in the stored form of ``output``: rescaled, shifted and clamped.

    An array of scales broadcasts. The specification leaves the rounding open; this is Android's own CPU's, with which
    the conformance vectors of CONV_2D agree bit for bit.
    """
    factors = np.asarray(scale, np.float64) / np.float64(np.float32(output.quant.scale))
    factors = factors.reshape(()) if factors.size == 1 else factors
    steps = times_in_two_roundings(sums, factors)
    steps += output.quant.zero_point
    low, high = activation_range(fuse, output)
    return np.clip(steps, low, high, out=steps).astype(NUMPY_TYPES[output.type])


def product_scale(values: Tensor, weights: Tensor) -> npt.NDArray[np.float32]:
    """The scale of the products, or one of them an output channel: scales are float32, and so is their product."""
    scales = (weights.quant.scale,) if weights.channels is None else weights.channels.scales
    return np.asarray(scales, dtype=np.float32) * np.float32(values.quant.scale)
