"""How an operand holds a tensor: which of its dimensions stand at each place, of which NNAPI has four at most.

A tensor of a higher rank is held with neighboring dimensions merged, which moves no element: in PyTorch's order the
leading ones, and a volume (batch, depth, height, width, channels in NHWC's order) with height and width in one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from math import prod

from nnapi_check.analyzer.graph import Argument, Node
from nnapi_check.analyzer.nnapi_types import MAX_RANK

IMAGE_RANK = 4
VOLUME_RANK = 5
LAYOUT_RANKS = frozenset({IMAGE_RANK, VOLUME_RANK})
"""The ranks of tensors that have an order with channels last."""

_CHANNELS_LAST = {IMAGE_RANK: ((0,), (2,), (3,), (1,)), VOLUME_RANK: ((0,), (2,), (3, 4), (1,))}


@lru_cache(maxsize=64)
def held_axes(rank: int, *, nhwc: bool) -> tuple[tuple[int, ...], ...]:
    """For each dimension of the operand, those of PyTorch's tensor that it holds, the slowest first."""
    if nhwc:
        return _CHANNELS_LAST[rank]
    merged = max(rank - MAX_RANK, 0) + 1
    return (tuple(range(merged)), *((axis,) for axis in range(merged, rank))) if rank else ()


def held_order(rank: int, *, nhwc: bool) -> tuple[int, ...]:
    """PyTorch's dimensions in the order in which the operand holds them."""
    return tuple(axis for group in held_axes(rank, nhwc=nhwc) for axis in group)


def held_shape(shape: Sequence[int], *, nhwc: bool) -> tuple[int, ...]:
    """The dimensions of the operand."""
    return tuple(prod(shape[axis] for axis in group) for group in held_axes(len(shape), nhwc=nhwc))


def are_held_alone(shape: Sequence[int], axes: Collection[int], *, nhwc: bool) -> bool:
    """Whether no dimension of the operand holds some of these of PyTorch's beside others that are longer than 1."""
    return not any(
        any(axis in axes for axis in group) and any(axis not in axes and shape[axis] != 1 for axis in group)
        for group in held_axes(len(shape), nhwc=nhwc)
    )


def merges(shape: Sequence[int], whole: Sequence[int], *, nhwc: bool) -> bool:
    """Whether a tensor repeats in each dimension of the operand that holds ``whole`` entirely, or not at all."""
    groups = held_axes(len(whole), nhwc=nhwc)
    return all(
        all(shape[axis] == whole[axis] for axis in group) or all(shape[axis] == 1 for axis in group) for group in groups
    )


def orders_of(rank: int) -> tuple[bool, ...]:
    """Whether an operand may hold a tensor of this rank with channels last, for each order that it may have."""
    return (False, True) if rank in LAYOUT_RANKS else (False,)


def merges_in_every_order(shape: Sequence[int], whole: Sequence[int]) -> bool:
    """Whether a tensor of the same rank repeats so in each order that an operand may hold ``whole`` in."""
    return len(shape) == len(whole) and all(merges(shape, whole, nhwc=nhwc) for nhwc in orders_of(len(whole)))


def named_axes(node: Node, rank: int) -> tuple[int, ...]:
    """The dimensions that the argument ``dim`` or ``dims`` names, 0 or more; none where neither is given."""
    dims: Argument | None = node.arguments.get("dim", node.arguments.get("dims"))
    named = dims if isinstance(dims, tuple) else (dims,)
    return tuple(dim % max(rank, 1) for dim in named if isinstance(dim, int) and not isinstance(dim, bool))


def takes_axes(node: Node, shape: Sequence[int], made: Sequence[int], *, nhwc: bool) -> bool:
    """Whether a node that works along dimensions of a tensor of this shape can do so on its operand.

    They are those in ``dim``, or without that argument, those in which what it makes has another size, of which no two
    are held as one.
    """
    rank = len(shape)
    if nhwc and rank not in LAYOUT_RANKS:
        return False
    grown = tuple(axis for axis in range(rank) if len(made) == rank and made[axis] != shape[axis])
    if any(sum(axis in grown for axis in group) > 1 for group in held_axes(rank, nhwc=nhwc)):
        return False
    axes = named_axes(node, rank) or grown or tuple(range(rank))
    return works_along(axes, shape, made, nhwc=nhwc)


def works_along(axes: Collection[int], shape: Sequence[int], made: Sequence[int], *, nhwc: bool) -> bool:
    """Whether an op along these dimensions of a tensor of this shape can work on its operand, in an order it has.

    What it makes must be held as the operand without those dimensions, or as it is.
    """
    rank = len(shape)
    if not are_held_alone(shape, axes, nhwc=nhwc):
        return False
    if len(made) == rank:
        return True
    left = [group for group in held_axes(rank, nhwc=nhwc) if not any(axis in axes for axis in group)]
    found = tuple(prod(shape[axis] for axis in group) for group in left)
    order = [axis for group in left for axis in group]
    return order == sorted(order) and found == held_shape(made, nhwc=False)
