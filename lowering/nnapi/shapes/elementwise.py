"""Output shapes of elementwise operations and reductions."""

from __future__ import annotations

from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Dimension
from nnapi_check.lowering.nnapi.shapes.shapes import (
    Inferred,
    ShapeCall,
    agree,
    axis_in,
    bad_axis,
    bad_value,
    compatible,
    infers,
    merged,
    misfit,
    outputs,
    text,
    unknown_outputs,
)

_SAME_SHAPE = (
    "ABS",
    "CAST",
    "DEQUANTIZE",
    "ELU",
    "EXP",
    "FLOOR",
    "HARD_SWISH",
    "INSTANCE_NORMALIZATION",
    "LOG",
    "LOGICAL_NOT",
    "LOGISTIC",
    "NEG",
    "QUANTIZE",
    "RELU",
    "RELU1",
    "RELU6",
    "RSQRT",
    "SIN",
    "SQRT",
    "TANH",
)

_SAME_SHAPE_ALONG_AXIS = (
    "CHANNEL_SHUFFLE",
    "L2_NORMALIZATION",
    "LOCAL_RESPONSE_NORMALIZATION",
    "LOG_SOFTMAX",
    "SOFTMAX",
)

_BROADCASTING = (
    "ADD",
    "DIV",
    "EQUAL",
    "GREATER",
    "GREATER_EQUAL",
    "LESS",
    "LESS_EQUAL",
    "LOGICAL_AND",
    "LOGICAL_OR",
    "MAXIMUM",
    "MINIMUM",
    "MUL",
    "NOT_EQUAL",
    "POW",
    "PRELU",
    "SUB",
)

_REDUCTIONS = ("MEAN", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_SUM")


@infers(*_SAME_SHAPE)
def infer_same_shape(call: ShapeCall) -> Inferred:
    """The shape of input 0."""
    return outputs(call.shapes[0])


@infers(*_SAME_SHAPE_ALONG_AXIS)
def infer_along_axis(call: ShapeCall) -> Inferred:
    """The shape of input 0, one of whose axes is named."""
    dims, axis = call.dims(0), call.integer("axis")
    if dims is None or axis is None:
        return outputs(call.shapes[0])
    index = axis_in(axis, len(dims))
    if index is None:
        return bad_axis(call.roles["axis"], axis, len(dims))
    groups = call.integer("num_groups")
    size = dims[index]
    if groups is not None and groups > 0 and isinstance(size, int) and size % groups:
        return bad_value(call.roles["num_groups"], f"{groups} groups", f"a divisor of {size}")
    return outputs(call.shapes[0])


@infers("REVERSE")
def infer_reverse(call: ShapeCall) -> Inferred:
    """The shape of input 0; the axis does not count from the end."""
    axes, dims = call.integers(1), call.dims(0)
    axis_dims = call.dims(1)
    if axis_dims is not None and (len(axis_dims) != 1 or not agree(axis_dims[0], 1)):
        return misfit(1, f"shape {text(axis_dims)}", "[1]")
    if axes is not None and dims is not None and not 0 <= axes[0] < len(dims):
        return bad_value(1, f"axis {axes[0]}", f"0 to {len(dims) - 1}")
    return outputs(call.shapes[0])


@infers(*_BROADCASTING)
def infer_broadcast(call: ShapeCall) -> Inferred:
    """Trailing axes are aligned; an axis of size 1 is repeated."""
    left, right = call.dims(0), call.dims(1)
    if left is None or right is None:
        return unknown_outputs(call)
    if left == right:
        return outputs(left)
    rank = max(len(left), len(right))
    padded_left = (1,) * (rank - len(left)) + left
    padded_right = (1,) * (rank - len(right)) + right
    dims: list[Dimension] = []
    for a, b in zip(padded_left, padded_right, strict=True):
        if isinstance(a, int) and isinstance(b, int):
            if a != b and a != 1 and b != 1:
                return misfit(1, f"shape {text(right)}", f"one that broadcasts with {text(left)}")
            dims.append(b if a == 1 else a)
        else:
            # An unspecified axis takes the other's size, unless that may still be repeated.
            other = a if isinstance(a, int) else b
            dims.append(other if isinstance(other, int) and other != 1 else UNSPECIFIED)
    return outputs(tuple(dims))


@infers("SELECT")
def infer_select(call: ShapeCall) -> Inferred:
    """All inputs have the same shape."""
    shape = call.shapes[0]
    for position in (1, 2):
        other = call.shapes[position]
        if not compatible(shape, other):
            return misfit(position, f"shape {text(other)}", f"{text(shape)}, for nothing is broadcast")
        shape = merged(shape, other)
    return outputs(shape)


@infers(*_REDUCTIONS)
def infer_reduction(call: ShapeCall) -> Inferred:
    """Some axes go, or keep size 1; if all go, one element remains."""
    dims, axes, keep = call.dims(0), call.integers(1), call.number("keep_dims")
    if dims is None or axes is None:
        return unknown_outputs(call)
    for axis in axes:
        if axis_in(axis, len(dims)) is None:
            return bad_axis(1, axis, len(dims))
    if keep is None:
        return unknown_outputs(call)
    gone = {axis % len(dims) for axis in axes}
    if keep > 0:
        return outputs(tuple(1 if axis in gone else dim for axis, dim in enumerate(dims)))
    return outputs(tuple(dim for axis, dim in enumerate(dims) if axis not in gone) or (1,))


@infers("ARGMAX", "ARGMIN")
def infer_arg(call: ShapeCall) -> Inferred:
    """The axis goes; if it was the only one, one element remains."""
    dims, axis = call.dims(0), call.integer("axis")
    if dims is None or axis is None:
        return unknown_outputs(call)
    index = axis_in(axis, len(dims))
    if index is None:
        return bad_axis(call.roles["axis"], axis, len(dims))
    return outputs(dims[:index] + dims[index + 1 :] or (1,))


@infers("TOPK_V2")
def infer_topk(call: ShapeCall) -> Inferred:
    """The last axis shrinks to k."""
    dims, k = call.dims(0), call.integer("k")
    if dims is None:
        return unknown_outputs(call)
    last = dims[-1]
    if k is not None and isinstance(last, int) and k > last:
        return bad_value(call.roles["k"], f"k of {k}", f"at most {last}, the size of the last axis")
    shape = (*dims[:-1], UNSPECIFIED if k is None else k)
    return outputs(shape, shape)
