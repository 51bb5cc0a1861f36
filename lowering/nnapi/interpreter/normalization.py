"""SOFTMAX, LOG_SOFTMAX and the normalizations: L2, local response and instance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, float_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import Floats, real_values, store

L2_EPSILON = 1e-6
"""The smallest norm that L2_NORMALIZATION divides by."""


@kernel("SOFTMAX")
def softmax(call: Call) -> Sequence[Array]:
    """Exponentials, scaled by beta before, that sum to one along the axis."""
    values = real_values(required(call, 0))
    beta = float_at(call, 1)
    if beta <= 0:
        raise ExecutionError(f"beta is {beta}, wanted a positive number")
    axis = _axis(int_at(call, 2, -1), values)
    powers = np.exp((values - _largest(values, axis)) * np.float32(beta))
    return (store(powers / powers.sum(axis=axis, keepdims=True), call.outputs[0]),)


@kernel("LOG_SOFTMAX")
def log_softmax(call: Call) -> Sequence[Array]:
    """The logarithm of SOFTMAX."""
    values = real_values(required(call, 0))
    axis = _axis(int_at(call, 2), values)
    shifted = (values - _largest(values, axis)) * np.float32(float_at(call, 1))
    return (store(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)), call.outputs[0]),)


@kernel("L2_NORMALIZATION")
def l2_normalization(call: Call) -> Sequence[Array]:
    """Vectors along the axis, divided by their length."""
    values = real_values(required(call, 0))
    axis = _axis(int_at(call, 1, -1), values)
    length = np.sqrt(np.square(values).sum(axis=axis, keepdims=True))
    return (store(values / np.maximum(length, np.float32(L2_EPSILON)), call.outputs[0]),)


@kernel("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(call: Call) -> Sequence[Array]:
    """Each value times (bias + alpha * sum of squares within the radius) to the power of -beta."""
    values = real_values(required(call, 0))
    radius = int_at(call, 1)
    if radius < 0:
        raise ExecutionError(f"the radius is {radius}, wanted 0 or more")
    bias, alpha, beta = (np.float32(float_at(call, index)) for index in (2, 3, 4))
    axis = _axis(int_at(call, 5, -1), values)
    squares = np.moveaxis(np.square(values), axis, -1)
    sums = squares.copy()
    for distance in range(1, min(radius, squares.shape[-1] - 1) + 1):
        sums[..., distance:] += squares[..., :-distance]
        sums[..., :-distance] += squares[..., distance:]
    factors = np.power(bias + alpha * np.moveaxis(sums, -1, axis), -beta)
    return (store(values * factors, call.outputs[0]),)


@kernel("INSTANCE_NORMALIZATION")
def instance_normalization(call: Call) -> Sequence[Array]:
    """Every channel of every image shifted and scaled by its own mean and biased variance."""
    values = real_values(required(call, 0))
    if values.ndim != 4:
        raise ExecutionError(f"input 0 has rank {values.ndim}, wanted 4")
    gamma, beta, epsilon = (float_at(call, index) for index in (1, 2, 3))
    axes = (2, 3) if bool_at(call, 4) else (1, 2)
    mean = values.mean(axis=axes, keepdims=True, dtype=np.float64)
    centered = values - mean.astype(np.float32)
    variance = np.square(centered).mean(axis=axes, keepdims=True, dtype=np.float64)
    factor = (gamma / np.sqrt(variance + epsilon)).astype(np.float32)
    return (store(centered * factor + np.float32(beta), call.outputs[0]),)


def _axis(axis: int, values: Array) -> int:
    if not -values.ndim <= axis < values.ndim:
        raise ExecutionError(f"the axis is {axis}, wanted one of a tensor of rank {values.ndim}")
    return axis % values.ndim


def _largest(values: Floats, axis: int) -> Floats:
    # An axis without elements has no largest one, but then there is nothing to shift either.
    largest: Floats = values.max(axis=axis, keepdims=True, initial=-np.inf)
    return largest
