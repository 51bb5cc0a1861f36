"""Output shapes of operations that move, repeat, join or split elements."""

from __future__ import annotations

import math

from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Dimension, Shape
from nnapi_check.lowering.nnapi.shapes.shapes import (
    NOTHING,
    Dims,
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
    plus,
    product,
    text,
    times,
    unknown_outputs,
)
from nnapi_check.lowering.nnapi.validation.contracts import HIGHEST_RANK


@infers("RESHAPE")
def infer_reshape(call: ShapeCall) -> Inferred:
    """The given shape, in which one -1 stands for what remains."""
    dims, wanted = call.dims(0), call.integers(1)
    if wanted is None:
        return _shape_of_rank(call, 1)
    if wanted.count(-1) > 1 or any(size < -1 for size in wanted):
        return bad_value(1, text(wanted), "sizes of 0 or more, and at most one -1")
    count = UNSPECIFIED if dims is None else product(dims)
    given = math.prod(size for size in wanted if size != -1)
    if not isinstance(count, int):
        return outputs(tuple(UNSPECIFIED if size == -1 else size for size in wanted))
    is_whole = given == count if -1 not in wanted else given != 0 and count % given == 0
    if not is_whole:
        return bad_value(1, text(wanted), f"a shape of {count} elements")
    return outputs(tuple(count // given if size == -1 else size for size in wanted))


@infers("TRANSPOSE")
def infer_transpose(call: ShapeCall) -> Inferred:
    """The axes in the given order; without one, those of a matrix change places."""
    dims = call.dims(0)
    if dims is None:
        return unknown_outputs(call)
    if 1 in call.absent:
        if len(dims) != 2:
            return misfit(0, f"rank {len(dims)}", "rank 2, for no order of axes is given")
        return outputs(dims[::-1])
    order = call.integers(1)
    if order is None:
        return outputs((UNSPECIFIED,) * len(dims))
    if sorted(order) != list(range(len(dims))):
        return bad_value(1, text(order), f"the axes 0 to {len(dims) - 1} in some order")
    return outputs(tuple(dims[axis] for axis in order))


@infers("SQUEEZE")
def infer_squeeze(call: ShapeCall) -> Inferred:
    """The named axes of size 1 go, or all of them; if none remains, one element does."""
    dims, axes = call.dims(0), call.integers(1)
    if dims is None or (axes is None and 1 not in call.absent):
        return unknown_outputs(call)
    if axes is None:
        if not all(isinstance(dim, int) for dim in dims):
            return unknown_outputs(call)
        return outputs(tuple(dim for dim in dims if dim != 1) or (1,))
    gone = set()
    for axis in axes:
        index = axis_in(axis, len(dims))
        if index is None:
            return bad_axis(1, axis, len(dims))
        if not agree(dims[index], 1):
            return bad_value(1, f"axis {axis}", f"an axis of size 1 of {text(dims)}")
        gone.add(index)
    return outputs(tuple(dim for axis, dim in enumerate(dims) if axis not in gone) or (1,))


@infers("EXPAND_DIMS")
def infer_expand_dims(call: ShapeCall) -> Inferred:
    """A new axis of size 1."""
    dims, axis = call.dims(0), call.integer("axis")
    if dims is None or axis is None:
        return unknown_outputs(call)
    index = axis_in(axis, len(dims) + 1)
    if index is None:
        return bad_axis(call.roles["axis"], axis, len(dims) + 1)
    return outputs((*dims[:index], 1, *dims[index:]))


@infers("CONCATENATION")
def infer_concatenation(call: ShapeCall) -> Inferred:
    """Sizes along the axis add up; the axis does not count from the end."""
    axis = call.integer("axis")
    pieces = [call.dims(position) for position in range(call.roles["axis"])]
    ranks = {len(dims) for dims in pieces if dims is not None}
    if len(ranks) > 1:
        position = next(i for i, dims in enumerate(pieces) if dims is not None and len(dims) != len(pieces[0] or dims))
        return misfit(position, f"shape {text(pieces[position] or ())}", "inputs of the same rank")
    if axis is None or not ranks:
        return unknown_outputs(call)
    rank = ranks.pop()
    if not 0 <= axis < rank:
        return bad_value(call.roles["axis"], f"axis {axis}", f"0 to {rank - 1}")
    joined: Shape = (UNSPECIFIED,) * rank
    total: Dimension = 0
    for position, dims in enumerate(pieces):
        if dims is None:
            total = UNSPECIFIED
            continue
        rest = (*dims[:axis], UNSPECIFIED, *dims[axis + 1 :])
        if not compatible(joined, rest):
            return misfit(position, f"shape {text(dims)}", f"{text(joined)}")
        joined = merged(joined, rest)
        total = plus(total, dims[axis])
    result = list(joined) if isinstance(joined, tuple) else []
    result[axis] = total
    return outputs(tuple(result))


@infers("PACK")
def infer_pack(call: ShapeCall) -> Inferred:
    """A new axis along which the inputs lie."""
    axis = call.integer("axis")
    shape = call.shapes[1]
    for position in range(2, len(call.inputs)):
        if not compatible(shape, call.shapes[position]):
            return misfit(position, f"shape {text(call.shapes[position])}", f"{text(shape)}, as the other inputs")
        shape = merged(shape, call.shapes[position])
    if axis is None or not isinstance(shape, tuple):
        return unknown_outputs(call)
    if not 0 <= axis <= len(shape):
        return bad_value(call.roles["axis"], f"axis {axis}", f"0 to {len(shape)}")
    return outputs((*shape[:axis], len(call.inputs) - 1, *shape[axis:]))


@infers("SPLIT")
def infer_split(call: ShapeCall) -> Inferred:
    """Equal pieces along the axis."""
    dims, axis, count = call.dims(0), call.integer("axis"), call.integer("num_splits")
    if count is not None and count != call.output_count:
        return bad_value(call.roles["num_splits"], f"{count} splits", f"{call.output_count}, the number of outputs")
    if dims is None or axis is None:
        return unknown_outputs(call)
    index = axis_in(axis, len(dims))
    if index is None:
        return bad_axis(call.roles["axis"], axis, len(dims))
    size = dims[index]
    if isinstance(size, int) and size % call.output_count:
        return bad_value(call.roles["num_splits"], f"{call.output_count} splits", f"a divisor of {size}")
    piece = size // call.output_count if isinstance(size, int) else UNSPECIFIED
    return Inferred(((*dims[:index], piece, *dims[index + 1 :]),) * call.output_count)


@infers("GATHER")
def infer_gather(call: ShapeCall) -> Inferred:
    """The axis is replaced by the axes of the indices."""
    dims, axis, indices = call.dims(0), call.integer("axis"), call.dims(2)
    if dims is None or axis is None or indices is None:
        return unknown_outputs(call)
    index = axis_in(axis, len(dims))
    if index is None:
        return bad_axis(call.roles["axis"], axis, len(dims))
    size = dims[index]
    for value in call.integers(2) or ():
        if isinstance(size, int) and not 0 <= value < size:
            return bad_value(2, f"index {value}", f"0 to {size - 1}")
    return outputs((*dims[:index], *indices, *dims[index + 1 :]))


@infers("TILE")
def infer_tile(call: ShapeCall) -> Inferred:
    """Every axis is repeated."""
    dims, multiples, length = call.dims(0), call.integers(1), call.dims(1)
    if dims is None:
        return unknown_outputs(call)
    if length is not None and not agree(length[0], len(dims)):
        return misfit(1, f"shape {text(length)}", f"[{len(dims)}], a multiple for each axis")
    if multiples is None:
        return outputs((UNSPECIFIED,) * len(dims))
    if min(multiples, default=0) < 0:
        return bad_value(1, text(multiples), "multiples of 0 or more")
    return outputs(tuple(times(dim, multiple) for dim, multiple in zip(dims, multiples, strict=True)))


@infers("PAD", "PAD_V2", "MIRROR_PAD")
def infer_pad(call: ShapeCall) -> Inferred:
    """Every axis grows by what is added before and after."""
    dims, pads, shape = call.dims(0), call.integers(1), call.dims(1)
    if dims is None:
        return unknown_outputs(call)
    if shape is not None and not compatible(shape, (len(dims), 2)):
        return misfit(1, f"shape {text(shape)}", f"[{len(dims)}, 2], two for each axis")
    if pads is None:
        return outputs((UNSPECIFIED,) * len(dims))
    if min(pads, default=0) < 0:
        return bad_value(1, text(pads), "paddings of 0 or more")
    limit = _mirror_limit(call, dims)
    for axis, most in enumerate(limit):
        if max(pads[2 * axis], pads[2 * axis + 1]) > most:
            return bad_value(1, f"padding of {text(pads[2 * axis : 2 * axis + 2])}", f"at most {most} on axis {axis}")
    return outputs(tuple(plus(dim, pads[2 * axis] + pads[2 * axis + 1]) for axis, dim in enumerate(dims)))


def _mirror_limit(call: ShapeCall, dims: Dims) -> list[float]:
    """How much each axis can be mirrored: the edge is repeated or not, by the mode."""
    mode = call.integer("mirror_mode")
    if mode not in (0, 1):
        return [math.inf] * len(dims)
    return [dim - (1 - mode) if isinstance(dim, int) else math.inf for dim in dims]


@infers("FILL")
def infer_fill(call: ShapeCall) -> Inferred:
    """The shape that input 0 spells out."""
    dims = call.integers(0)
    if dims is None:
        return _shape_of_rank(call, 0)
    if min(dims, default=0) < 0:
        return bad_value(0, text(dims), "sizes of 0 or more")
    return outputs(dims)


@infers("RANK")
def infer_rank(call: ShapeCall) -> Inferred:
    """A scalar."""
    del call
    return outputs(())


def _shape_of_rank(call: ShapeCall, position: int) -> Inferred:
    """A shape of which only the rank is known, from the length of the input that will spell it out."""
    length = call.dims(position)
    if length is None or not isinstance(length[0], int) or length[0] > HIGHEST_RANK:
        return NOTHING
    return outputs((UNSPECIFIED,) * length[0])
