"""Kernels that reduce dimensions, or pick the largest or smallest elements along one."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import integers_at, wrapped_axis


@kernel("MEAN")
def mean(call: Call) -> tuple[Array, ...]:
    """The mean over the axes; that of quantized tensors is an integer division that drops the remainder."""
    array = required(call, 0).array
    axes = _axes(call, array.ndim)
    keep = int_at(call, 2) > 0
    count = int(np.prod([array.shape[axis] for axis in axes], dtype=np.int64))
    if array.size == 0 and count == 0:
        raise ExecutionError(f"axes {axes} of {array.shape} hold no elements")
    if array.dtype.kind == "f":
        result = np.mean(array.astype(np.float32), axis=axes, keepdims=keep).astype(array.dtype)
    else:
        total = np.sum(array.astype(np.int64), axis=axes, keepdims=keep)
        result = (np.sign(total) * (np.abs(total) // count)).astype(array.dtype)
    return (_at_least_rank_one(result),)


@kernel("REDUCE_SUM", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL", "REDUCE_ANY")
def reduce_axes(call: Call) -> tuple[Array, ...]:
    """The sum, product, largest or smallest element, conjunction or disjunction over the axes."""
    array = required(call, 0).array
    axes = _axes(call, array.ndim)
    return (_at_least_rank_one(_reduced(call.kind, array, axes, keep=bool_at(call, 2, default=False))),)


def _reduced(kind: str, array: Array, axes: tuple[int, ...], *, keep: bool) -> Array:
    if kind in ("REDUCE_ALL", "REDUCE_ANY"):
        decide = np.all if kind == "REDUCE_ALL" else np.any
        return np.asarray(decide(array, axis=axes, keepdims=keep))
    if kind in ("REDUCE_SUM", "REDUCE_PROD"):
        values = array.astype(np.float32)
        if kind == "REDUCE_SUM":
            return np.asarray(np.sum(values, axis=axes, keepdims=keep)).astype(array.dtype)
        # A zero factor makes the product zero, even beside an infinite one.
        zero = np.any(values == 0, axis=axes, keepdims=keep)
        return np.asarray(np.where(zero, 0, np.prod(values, axis=axes, keepdims=keep))).astype(array.dtype)
    # Every type these two accept fits float32 exactly.
    numbers = array.astype(np.float32)
    extreme = np.max if kind == "REDUCE_MAX" else np.min
    return np.asarray(extreme(numbers, axis=axes, keepdims=keep)).astype(array.dtype)


@kernel("ARGMAX", "ARGMIN")
def arg_extreme(call: Call) -> tuple[Array, ...]:
    """The index of the largest or smallest element along an axis; of equal ones the first."""
    array = required(call, 0).array
    axis = wrapped_axis(int_at(call, 1), array.ndim)
    if array.shape[axis] == 0:
        raise ExecutionError(f"dimension {axis} of {array.shape} has no elements")
    found = np.argmax(array, axis=axis) if call.kind == "ARGMAX" else np.argmin(array, axis=axis)
    return (_at_least_rank_one(np.asarray(found, dtype=np.int32)),)


@kernel("TOPK_V2")
def top_k(call: Call) -> tuple[Array, ...]:
    """The k largest elements of the last dimension in descending order, with their indices.

    Of two equal elements the one with the larger index comes first.
    """
    array = required(call, 0).array
    k = int_at(call, 1)
    size = array.shape[-1]
    if not 0 < k <= size:
        raise ExecutionError(f"k is {k}, 1 to {size} is wanted")
    # A stable ascending sort leaves equal elements in order of index, which the reversal turns around.
    order = np.argsort(array, axis=-1, kind="stable")[..., ::-1][..., :k]
    return np.take_along_axis(array, order, axis=-1), order.astype(np.int32)


def _axes(call: Call, rank: int) -> tuple[int, ...]:
    return tuple(sorted({wrapped_axis(axis, rank) for axis in integers_at(call, 1)}))


def _at_least_rank_one(array: Array) -> Array:
    """NNAPI has no tensors of rank 0: what is reduced altogether has shape ``[1]``."""
    return np.atleast_1d(array)
