"""Kernels that take part of a tensor."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import integers_at, wrapped_axis


@kernel("SLICE")
def slice_tensor(call: Call) -> tuple[Array, ...]:
    """A box of the tensor; a size of -1 reaches to the end. Nothing is clamped."""
    array = required(call, 0).array
    begins = integers_at(call, 1)
    sizes = integers_at(call, 2)
    if not len(begins) == len(sizes) == array.ndim:
        raise ExecutionError(f"{len(begins)} begins and {len(sizes)} sizes, {array.ndim} of each are wanted")
    box = []
    for dimension, begin, size in zip(array.shape, begins, sizes, strict=True):
        end = dimension if size == -1 else begin + size
        if not 0 <= begin <= end <= dimension:
            raise ExecutionError(f"{begin} to {end} is not within a dimension of {dimension}")
        box.append(slice(begin, end))
    return (array[tuple(box)],)


@kernel("STRIDED_SLICE")
def strided_slice(call: Call) -> tuple[Array, ...]:
    """A box of the tensor with strides, which may be negative; begins and ends are clamped."""
    array = required(call, 0).array
    begins, ends, strides = (integers_at(call, index) for index in (1, 2, 3))
    begin_mask, end_mask, shrink_mask = (int_at(call, index) for index in (4, 5, 6))
    if not len(begins) == len(ends) == len(strides) == array.ndim:
        raise ExecutionError(f"begins, ends and strides must number {array.ndim} each")
    shape = []
    for axis, dimension in enumerate(array.shape):
        stride = strides[axis]
        if stride == 0:
            raise ExecutionError(f"the stride of dimension {axis} is 0")
        first, last = (0, dimension) if stride > 0 else (dimension - 1, -1)
        begin = first if begin_mask >> axis & 1 else _clamped(begins[axis], dimension, stride)
        end = last if end_mask >> axis & 1 else _clamped(ends[axis], dimension, stride)
        chosen = np.arange(begin, end, stride)
        if not shrink_mask >> axis & 1:
            shape.append(chosen.size)
        elif stride < 0 or chosen.size != 1:
            raise ExecutionError(f"dimension {axis} is shrunk from {begin} to {end} by {stride}, one element is wanted")
        array = array.take(chosen, axis=axis)
    return (array.reshape(shape or [1]),)


def _clamped(index: int, dimension: int, stride: int) -> int:
    """The index counted from the front, no further than one step outside in the direction of the stride."""
    lowest, highest = (0, dimension) if stride > 0 else (-1, dimension - 1)
    return min(max(index + dimension if index < 0 else index, lowest), highest)


@kernel("SPLIT")
def split(call: Call) -> tuple[Array, ...]:
    """Equal parts of the tensor along one axis."""
    array = required(call, 0).array
    axis = wrapped_axis(int_at(call, 1), array.ndim)
    count = int_at(call, 2)
    if count != len(call.outputs):
        raise ExecutionError(f"{count} parts for {len(call.outputs)} outputs")
    if count < 1 or array.shape[axis] % count:
        raise ExecutionError(f"dimension {axis} of {array.shape} is not a multiple of {count}")
    return tuple(np.split(array, count, axis=axis))


@kernel("GATHER")
def gather(call: Call) -> tuple[Array, ...]:
    """The slices of an axis that the indices name; the indices' shape takes the place of the axis."""
    array = required(call, 0).array
    axis = wrapped_axis(int_at(call, 1), array.ndim)
    indices = required(call, 2).array.astype(np.int64)
    if indices.size and not 0 <= indices.min() <= indices.max() < array.shape[axis]:
        raise ExecutionError(
            f"indices reach from {indices.min()} to {indices.max()}, the dimension gathered from is {array.shape[axis]}"
        )
    return (array.take(indices, axis=axis),)
