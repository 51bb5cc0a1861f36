"""Output shapes of slices."""

from __future__ import annotations

from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Dimension
from nnapi_check.lowering.nnapi.shapes.shapes import (
    Inferred,
    ShapeCall,
    agree,
    bad_value,
    infers,
    misfit,
    outputs,
    text,
    unknown_outputs,
)


@infers("SLICE")
def infer_slice(call: ShapeCall) -> Inferred:
    """From each axis a begin and a size, where -1 takes the rest."""
    dims, begins, sizes = call.dims(0), call.integers(1), call.integers(2)
    if dims is None:
        return unknown_outputs(call)
    problem = _length_problem(call, len(dims), (1, 2))
    if problem is not None:
        return problem
    result: list[Dimension] = []
    for axis, dim in enumerate(dims):
        begin = 0 if begins is None else begins[axis]
        size = 0 if sizes is None else sizes[axis]
        if begin < 0 or (isinstance(dim, int) and begin > dim):
            return bad_value(1, f"begin {begin} on axis {axis}", f"0 to {text((dim,))}")
        if size < -1 or (isinstance(dim, int) and begin + size > dim):
            return bad_value(2, f"size {size} on axis {axis}", f"at most {text((dim,))} from {begin}")
        if sizes is not None and size != -1:
            result.append(size)
        elif sizes is not None and begins is not None and isinstance(dim, int):
            result.append(dim - begin)
        else:
            result.append(UNSPECIFIED)
    return outputs(tuple(result))


@infers("STRIDED_SLICE")
def infer_strided_slice(call: ShapeCall) -> Inferred:
    """Every stride-th element between begin and end, which are clamped; shrunk axes go."""
    dims = call.dims(0)
    if dims is None:
        return unknown_outputs(call)
    problem = _length_problem(call, len(dims), (1, 2, 3))
    if problem is not None:
        return problem
    begins, ends, strides = call.integers(1), call.integers(2), call.integers(3)
    if strides is not None and 0 in strides:
        return bad_value(3, text(strides), "strides other than 0")
    masks = call.integer("begin_mask"), call.integer("end_mask"), call.integer("shrink_axis_mask")
    begin_mask, end_mask, shrink_mask = masks
    if shrink_mask is None:
        return unknown_outputs(call)
    result: list[Dimension] = []
    for axis, dim in enumerate(dims):
        is_shrunk = bool(shrink_mask & (1 << axis))
        if is_shrunk and strides is not None and strides[axis] < 0:
            return bad_value(3, f"stride {strides[axis]} on axis {axis}", "a positive stride, for the axis is shrunk")
        if begins is None or ends is None or strides is None or begin_mask is None or end_mask is None:
            size: Dimension = UNSPECIFIED
        elif isinstance(dim, int):
            begin = None if begin_mask & (1 << axis) else begins[axis]
            end = None if end_mask & (1 << axis) else ends[axis]
            size = _strided_size(dim, begin, end, strides[axis])
        else:
            size = UNSPECIFIED
        if not is_shrunk:
            result.append(size)
        elif isinstance(size, int) and size != 1:
            return bad_value(1, f"{size} elements on axis {axis}", "one, for the axis is shrunk")
    return outputs(tuple(result) or (1,))


def _strided_size(dim: int, begin: int | None, end: int | None, stride: int) -> int:
    """The number of elements that a slice of one axis takes; None is a masked end, the far one."""
    first, past = (0, dim) if stride > 0 else (dim - 1, -1)
    start = first if begin is None else _clamped(begin, dim, stride)
    stop = past if end is None else _clamped(end, dim, stride)
    return max(-((start - stop) // stride), 0)


def _clamped(index: int, dim: int, stride: int) -> int:
    """An index that may count from the end, brought into the range that the direction can reach."""
    counted = index + dim if index < 0 else index
    return min(max(counted, 0), dim) if stride > 0 else min(max(counted, -1), dim - 1)


def _length_problem(call: ShapeCall, rank: int, positions: tuple[int, ...]) -> Inferred | None:
    for position in positions:
        length = call.dims(position)
        if length is not None and (len(length) != 1 or not agree(length[0], rank)):
            return misfit(position, f"shape {text(length)}", f"[{rank}], one for each axis")
    return None
