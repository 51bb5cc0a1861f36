"""Reading what shapes an operation's work: lists of integers, axes, paddings, and the layout of activations."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError


def integers_at(call: Call, index: int) -> tuple[int, ...]:
    """The elements of the integer tensor at ``index``, in row-major order."""
    return tuple(int(value) for value in required(call, index).array.astype(np.int64).reshape(-1))


def paddings_at(call: Call, index: int, rows: int) -> tuple[tuple[int, int], ...]:
    """How many elements to add before and after each of ``rows`` dimensions, none of them negative."""
    found = required(call, index).array
    if found.shape != (rows, 2):
        raise ExecutionError(f"input {index} has shape {found.shape}, wanted {(rows, 2)}")
    borders = tuple((int(before), int(after)) for before, after in found.astype(np.int64))
    if any(min(border) < 0 for border in borders):
        raise ExecutionError(f"paddings are {borders}, wanted none below 0")
    return borders


def array_at(call: Call, index: int, rank: int) -> Array:
    """The array at input ``index``, which must have ``rank`` dimensions."""
    array = required(call, index).array
    if array.ndim != rank:
        raise ExecutionError(f"input {index} has rank {array.ndim}, wanted {rank}")
    return array


def wrapped_axis(axis: int, rank: int) -> int:
    """The axis counted from the front; a negative one counts from the back."""
    if not -rank <= axis < rank:
        raise ExecutionError(f"axis is {axis}, wanted one of {-rank} to {rank - 1}")
    return axis % rank


def channels_last(array: Array, *, nchw: bool) -> Array:
    """A rank-4 array in NHWC order, whatever layout it came in."""
    return array.transpose(0, 2, 3, 1) if nchw else array


def channels_back(array: Array, *, nchw: bool) -> Array:
    """The inverse of ``channels_last``."""
    return array.transpose(0, 3, 1, 2) if nchw else array
