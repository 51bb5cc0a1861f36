"""Kernels that change a tensor's shape or the order of its dimensions, and those that make one tensor of several."""

from __future__ import annotations

from math import prod

import numpy as np

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.arguments import int_at, optional, required
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import rescaled
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import integers_at, wrapped_axis


@kernel("RESHAPE")
def reshape(call: Call) -> tuple[Array, ...]:
    """The same elements under a new shape, of which one dimension may be -1."""
    array = required(call, 0).array
    shape = integers_at(call, 1)
    stretched = [index for index, size in enumerate(shape) if size == -1]
    known = prod(size for size in shape if size != -1)
    if len(stretched) > 1 or any(size < -1 for size in shape):
        raise ExecutionError(f"shape {shape} is not one of sizes with at most one -1")
    if stretched:
        stretch = array.size // known if known else 0
        shape = tuple(stretch if size == -1 else size for size in shape)
    if prod(shape) != array.size:
        raise ExecutionError(f"shape {shape} does not hold the {array.size} elements of {array.shape}")
    return (array.reshape(shape),)


@kernel("SQUEEZE")
def squeeze(call: Call) -> tuple[Array, ...]:
    """The tensor without the named dimensions of size 1, or without all of them; never below rank 1."""
    array = required(call, 0).array
    if optional(call, 1) is None:
        dropped = {axis for axis, size in enumerate(array.shape) if size == 1}
    else:
        dropped = {wrapped_axis(axis, array.ndim) for axis in integers_at(call, 1)}
    for axis in sorted(dropped):
        if array.shape[axis] != 1:
            raise ExecutionError(f"dimension {axis} of {array.shape} is {array.shape[axis]}, 1 is wanted")
    kept = tuple(size for axis, size in enumerate(array.shape) if axis not in dropped)
    return (array.reshape(kept or (1,)),)


@kernel("EXPAND_DIMS")
def expand_dims(call: Call) -> tuple[Array, ...]:
    """The tensor with a dimension of size 1 inserted before ``axis`` of the output."""
    array = required(call, 0).array
    return (np.expand_dims(array, wrapped_axis(int_at(call, 1), array.ndim + 1)),)


@kernel("TRANSPOSE")
def transpose(call: Call) -> tuple[Array, ...]:
    """The tensor with its dimensions permuted; without a permutation, a transposed matrix."""
    array = required(call, 0).array
    if optional(call, 1) is None:
        if array.ndim != 2:
            raise ExecutionError(f"rank is {array.ndim} without a permutation, 2 is wanted")
        return (array.T,)
    permutation = integers_at(call, 1)
    if sorted(permutation) != list(range(array.ndim)):
        raise ExecutionError(f"{permutation} does not permute {array.ndim} dimensions")
    return (array.transpose(permutation),)


@kernel("CONCATENATION")
def concatenation(call: Call) -> tuple[Array, ...]:
    """The tensors joined along one axis; quantized ones are brought to the output's scale first."""
    parts = [required(call, index) for index in range(len(call.inputs) - 1)]
    axis = int_at(call, len(call.inputs) - 1)
    rank = parts[0].array.ndim if parts else 0
    if rank > 4:
        raise ExecutionError(f"the inputs have rank {rank}, at most 4 is wanted")
    if not 0 <= axis < rank:
        raise ExecutionError(f"axis is {axis}, one of 0 to {rank - 1} is wanted")
    others = {part.array.shape[:axis] + part.array.shape[axis + 1 :] for part in parts if part.array.ndim == rank}
    if len(others) != 1 or any(part.array.ndim != rank for part in parts):
        shapes = [part.array.shape for part in parts]
        raise ExecutionError(f"shapes {shapes} differ in more than dimension {axis}")
    return (np.concatenate([rescaled(part, call.outputs[0]) for part in parts], axis=axis),)


@kernel("PACK")
def pack(call: Call) -> tuple[Array, ...]:
    """Equally shaped tensors joined along a new axis."""
    parts = [required(call, index).array for index in range(1, len(call.inputs))]
    axis = int_at(call, 0)
    shapes = {part.shape for part in parts}
    if len(shapes) != 1:
        raise ExecutionError(f"shapes {sorted(shapes)} differ")
    if not 0 <= axis <= parts[0].ndim:
        raise ExecutionError(f"axis is {axis}, one of 0 to {parts[0].ndim} is wanted")
    return (np.stack(parts, axis=axis),)


@kernel("TILE")
def tile(call: Call) -> tuple[Array, ...]:
    """The tensor repeated along each dimension."""
    array = required(call, 0).array
    multiples = integers_at(call, 1)
    if len(multiples) != array.ndim or any(multiple < 0 for multiple in multiples):
        raise ExecutionError(f"multiples are {multiples}, {array.ndim} counts are wanted")
    return (np.tile(array, multiples),)


@kernel("FILL")
def fill(call: Call) -> tuple[Array, ...]:
    """A tensor of the given shape that holds one value."""
    shape = integers_at(call, 0)
    if any(size < 0 for size in shape):
        raise ExecutionError(f"shape {shape} has a negative size")
    value = required(call, 1)
    return (np.full(shape, value.array.reshape(()).item(), dtype=NUMPY_TYPES[call.outputs[0].type]),)


@kernel("RANK")
def rank(call: Call) -> tuple[Array, ...]:
    """The number of dimensions, as a scalar."""
    return (np.array(required(call, 0).array.ndim, dtype=NUMPY_TYPES[OperandType.INT32]),)


@kernel("REVERSE")
def reverse(call: Call) -> tuple[Array, ...]:
    """The tensor with one dimension in the opposite order."""
    array = required(call, 0).array
    axes = integers_at(call, 1)
    if len(axes) != 1 or not 0 <= axes[0] < array.ndim:
        raise ExecutionError(f"axes are {axes}, one of 0 to {array.ndim - 1} is wanted")
    return (np.flip(array, axes[0]),)
