"""Shapes, element types and dimensions among the arguments of a call, and what does not fit of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nnapi_check.analyzer.graph import is_ints
from nnapi_check.analyzer.ops.window_rules import Arguments

_MAX_COUNTED_DIMS = 64
"""A set of dimensions is one number of so many bits."""


def shape_of(arguments: Arguments, name: str) -> tuple[int, ...] | None:
    """The shape of a tensor that is given."""
    value = arguments.get(name)
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def other_dtype(arguments: Arguments, first: str, *others: str) -> str | None:
    """The types of tensors that must have one."""
    wanted = arguments.get(first)
    for name in others:
        found = arguments.get(name)
        if isinstance(wanted, torch.Tensor) and isinstance(found, torch.Tensor) and wanted.dtype != found.dtype:
            return f"{first} is {wanted.dtype}, {name} is {found.dtype}"
    return None


def other_shape(arguments: Arguments, wanted: Sequence[int], *names: str) -> str | None:
    """The tensors that are given must have this shape."""
    for name in names:
        found = shape_of(arguments, name)
        if found is not None and found != tuple(wanted):
            return f"{name} is {list(found)}, wanted {list(wanted)}"
    return None


def dims(name: str, arguments: Arguments, *, is_once: bool = False) -> str | None:
    """Dimensions that the tensor has, each named once where they are taken away or turned."""
    shape, found = shape_of(arguments, "self"), arguments.get(name)
    if type(found) is int:
        found = [found]
    if shape is None or not is_ints(found):
        return None
    rank = max(len(shape), 1)
    if any(not -rank <= dim < rank for dim in found):
        return f"{name} is {list(found)} of a tensor of rank {len(shape)}"
    if is_once and len({dim % rank for dim in found}) < len(found):
        return f"{name} is {list(found)}, which names a dimension twice"
    if is_once and rank > _MAX_COUNTED_DIMS:
        return f"self has {rank} dimensions, which is more than the {_MAX_COUNTED_DIMS} that PyTorch keeps count of"
    return None


def axis_of(arguments: Arguments) -> int | None:
    """The dimension of ``self`` that ``dim`` names, counted from the front."""
    shape, dim = shape_of(arguments, "self"), arguments.get("dim")
    return None if shape is None or type(dim) is not int else dim % max(len(shape), 1)


def whole(arguments: Arguments, name: str) -> str | None:
    """A tensor of whole numbers, where the kernels know only others."""
    found = arguments.get(name)
    if not isinstance(found, torch.Tensor) or found.dtype.is_floating_point or found.dtype.is_complex:
        return None
    return f"{name} is {found.dtype}"
