"""What ops demand that read or write elements at places of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod

import torch

from nnapi_check.analyzer.graph import is_ints
from nnapi_check.analyzer.ops.conditions.argument_types import axis_of, dims, other_dtype, other_shape, shape_of
from nnapi_check.analyzer.ops.window_rules import Arguments, broadcast

_PLACES = (torch.int64, torch.int32)


def _places(name: str, dtypes: tuple[torch.dtype, ...], arguments: Arguments) -> str | None:
    found = arguments.get(name)
    return f"{name} is {found.dtype}" if isinstance(found, torch.Tensor) and found.dtype not in dtypes else None


def _gathered(
    arguments: Arguments, *, is_written: bool = False, dtypes: tuple[torch.dtype, ...] = _PLACES
) -> str | None:
    """Places in each row along one dimension."""
    shape, index, axis = shape_of(arguments, "self"), shape_of(arguments, "index"), axis_of(arguments)
    refused = dims("dim", arguments)
    if refused is not None or shape is None or index is None or axis is None:
        return refused
    if 0 not in index:
        if max(len(index), 1) != max(len(shape), 1):
            return f"index has rank {len(index)}, self has rank {len(shape)}"
        others = [(shape, True)]
        source = shape_of(arguments, "src")
        if source is not None:
            if max(len(index), 1) != max(len(source), 1):
                return f"index has rank {len(index)}, src has rank {len(source)}"
            others.append((source, False))
        for other, is_free in others:
            pairs = enumerate(zip(index, other, strict=False))
            if any(wanted > found for place, (wanted, found) in pairs if not is_free or place != axis):
                return f"index is {list(index)}, which is more than {list(other)}"
    return _places("index", dtypes, arguments) or (other_dtype(arguments, "self", "src") if is_written else None)


def _selected(arguments: Arguments) -> str | None:
    """Whole slices at some places."""
    index = shape_of(arguments, "index")
    if index is not None and len(index) > 1:
        return f"index has rank {len(index)}"
    if index is not None and shape_of(arguments, "self") == () and prod(index) != 1:
        return f"{prod(index)} places of a single number"
    return dims("dim", arguments) or _places("index", _PLACES, arguments)


def _put(dtypes: tuple[torch.dtype, ...], arguments: Arguments) -> str | None:
    """Whole slices that are written to some places."""
    shape, index, source = (shape_of(arguments, name) for name in ("self", "index", "source"))
    axis = axis_of(arguments)
    refused = dims("dim", arguments)
    if refused is not None or shape is None or index is None or source is None or axis is None:
        return refused
    count = index[0] if index else 1
    wanted = (*shape[:axis], count, *shape[axis + 1 :]) if shape else ()
    if len(index) > 1 or source != wanted:
        return f"source is {list(source)}, wanted {list(wanted)}"
    return _places("index", dtypes, arguments) or other_dtype(arguments, "self", "source")


def _filled(arguments: Arguments) -> str | None:
    value = shape_of(arguments, "value")
    return f"value is {list(value)}" if value else _selected(arguments)


def _written(arguments: Arguments) -> str | None:
    """Values at places that several tensors name, which stand side by side or for the first dimensions."""
    shape, values, indices = shape_of(arguments, "self"), shape_of(arguments, "values"), arguments.get("indices")
    if shape is None or values is None or not isinstance(indices, (list, tuple)):
        return None
    given = [index for index in indices if isinstance(index, torch.Tensor)]
    if len(indices) > len(shape) or not given:
        return f"{len(indices)} lists of places in a tensor of rank {len(shape)}"
    if any(index.dtype not in (torch.int64, torch.int32, torch.bool, torch.uint8) for index in given):
        return f"indices are {', '.join(str(index.dtype) for index in given)}"
    refused = other_dtype(arguments, "self", "values")
    if refused is not None:
        return refused
    return _masks(shape, indices) or _spread(shape, values, indices)


def _masks(shape: tuple[int, ...], indices: list[object] | tuple[object, ...]) -> str | None:
    place = 0
    for index in indices:
        is_mask = isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)
        size = tuple(index.shape) if isinstance(index, torch.Tensor) and is_mask else (1,)
        if is_mask and size != shape[place : place + len(size)]:
            return f"a mask of {list(size)} for {list(shape[place:])}"
        place += len(size)
    return None


def _spread(shape: tuple[int, ...], values: tuple[int, ...], indices: list[object] | tuple[object, ...]) -> str | None:
    """Whether values spread over the places that are named, where no mask names them."""
    tensors = [index for index in indices if isinstance(index, torch.Tensor)]
    if len(tensors) != len(indices) or any(index.dtype in (torch.bool, torch.uint8) for index in tensors):
        return None
    common = broadcast(*(tuple(index.shape) for index in tensors))
    wanted = None if common is None else (*common, *shape[len(tensors) :])
    if wanted is None or broadcast(values, wanted) != wanted:
        return f"values are {list(values)} for places {[list(index.shape) for index in tensors]} of {list(shape)}"
    return None


def _over_slice(arguments: Arguments) -> str | None:
    """One slice, or every so many'th, that another tensor is put over."""
    x, axis = arguments.get("self"), axis_of({"dim": 0, **arguments})
    refused = dims("dim", arguments)
    if refused is not None or not isinstance(x, torch.Tensor) or axis is None or not x.dim():
        return refused
    index, first, last, step = (arguments.get(name) for name in ("index", "start", "end", "step"))
    wanted: list[int] = list(x.shape)
    if type(index) is int:
        if not -x.shape[axis] <= index < x.shape[axis]:
            return f"index is {index}, self is {list(x.shape)}"
        del wanted[axis]
    else:
        bounds = [number for number in (first, last, step) if number is None or isinstance(number, int)]
        if len(bounds) < 3:
            return None
        if bounds[2] is not None and bounds[2] < 1:
            return f"step is {step}"
        wanted[axis] = len(range(x.shape[axis])[slice(*bounds)])
    return other_shape(arguments, wanted, "src")


def _turned(arguments: Arguments) -> str | None:
    shifts, axes = arguments.get("shifts"), arguments.get("dims")
    if is_ints(shifts) and is_ints(axes) and len(shifts) != len(axes) and (axes or len(shifts) != 1):
        return f"shifts are {list(shifts)}, dims are {list(axes)}"
    return dims("dims", arguments)


LOOKUP_CONDITIONS: Mapping[str, Callable[[Arguments], str | None]] = {
    "aten::gather": _gathered,
    **{f"aten::{name}": partial(_gathered, is_written=True) for name in ("scatter", "scatter_add", "scatter_reduce")},
    "aten::embedding": partial(_places, "indices", _PLACES),
    "aten::index_select": _selected,
    "aten::index_fill": _filled,
    "aten::index_add": partial(_put, _PLACES),
    "aten::index_copy": partial(_put, (torch.int64,)),
    "aten::index_put": _written,
    "aten::select_scatter": _over_slice,
    "aten::slice_scatter": _over_slice,
    "aten::roll": _turned,
}
"""Conditions by the op's name without overload."""
