"""Operations that move elements, for rules that compose several: each gives an operand with its input's type.

Axes and shapes are in the operand's own order, whichever layout it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId


@dataclass(frozen=True, slots=True)
class Cut:
    """Elements of one axis: the first, how many, and how far apart; a negative step walks back."""

    start: int
    count: int
    step: int = 1

    @property
    def past(self) -> int:
        """The first place behind the cut in its direction; below 0 where it reaches the front walking back."""
        return self.start + (self.count - 1) * self.step + (1 if self.step > 0 else -1)


def reshaped(emit: Emitter, x: OperandId, shape: Sequence[int]) -> OperandId:
    """The same elements in another shape, by RESHAPE."""
    wanted = tuple(shape)
    return emit.operation("RESHAPE", [x, emit.int32_tensor(wanted)], replace(emit.spec(x), shape=wanted))


def transposed(emit: Emitter, x: OperandId, order: Sequence[int]) -> OperandId:
    """Axis ``order[i]`` at place ``i``, by TRANSPOSE."""
    spec = emit.spec(x)
    shape = tuple(spec.shape[axis] for axis in order)
    return emit.operation("TRANSPOSE", [x, emit.int32_tensor(tuple(order))], replace(spec, shape=shape))


def last_order(rank: int, axis: int) -> tuple[int, ...]:
    """The order of dimensions in which ``axis`` is the last one."""
    return (*(other for other in range(rank) if other != axis), axis)


def restored(emit: Emitter, x: OperandId, order: Sequence[int]) -> OperandId:
    """The tensor of which ``x`` has axis ``order[i]`` at place ``i``, by TRANSPOSE."""
    return transposed(emit, x, [order.index(place) for place in range(len(order))])


def joined(emit: Emitter, parts: Sequence[OperandId], axis: int) -> OperandId:
    """The parts one after another along an axis, by CONCATENATION; a single part stays as it is."""
    if len(parts) == 1:
        return parts[0]
    spec = emit.spec(parts[0])
    size = sum(emit.spec(part).shape[axis] for part in parts)
    shape = (*spec.shape[:axis], size, *spec.shape[axis + 1 :])
    return emit.operation("CONCATENATION", [*parts, emit.int32(axis)], replace(spec, shape=shape))


def cut(emit: Emitter, x: OperandId, cuts: dict[int, Cut]) -> OperandId:
    """Part of a tensor, by STRIDED_SLICE: a cut for each axis that is not taken whole."""
    spec = emit.spec(x)
    every = [cuts.get(axis, Cut(0, size)) for axis, size in enumerate(spec.shape)]
    # An end below 0 would count from the back, so a walk to the front leaves its end open.
    open_ends = sum(1 << axis for axis, item in enumerate(every) if item.past < 0)
    inputs = [
        x,
        emit.int32_tensor([item.start for item in every]),
        emit.int32_tensor([max(item.past, 0) for item in every]),
        emit.int32_tensor([item.step for item in every]),
        emit.int32(0),
        emit.int32(open_ends),
        emit.int32(0),
    ]
    return emit.operation("STRIDED_SLICE", inputs, replace(spec, shape=tuple(item.count for item in every)))


def boxed(emit: Emitter, x: OperandId, cuts: dict[int, Cut]) -> OperandId:
    """Part of a tensor, by SLICE: a cut of step 1 for each axis that is not taken whole."""
    spec = emit.spec(x)
    every = [cuts.get(axis, Cut(0, size)) for axis, size in enumerate(spec.shape)]
    shape = tuple(item.count for item in every)
    inputs = [x, emit.int32_tensor([item.start for item in every]), emit.int32_tensor(shape)]
    return emit.operation("SLICE", inputs, replace(spec, shape=shape))


def gathered(emit: Emitter, x: OperandId, axis: int, places: Sequence[int]) -> OperandId:
    """The places of an axis in any order, by GATHER."""
    spec = emit.spec(x)
    shape = (*spec.shape[:axis], len(places), *spec.shape[axis + 1 :])
    inputs = [x, emit.int32(axis), emit.int32_tensor(places)]
    return emit.operation("GATHER", inputs, replace(spec, shape=shape))


def padded(emit: Emitter, x: OperandId, borders: Sequence[tuple[int, int]]) -> OperandId:
    """The tensor with zeros before and after each axis, by PAD."""
    spec = emit.spec(x)
    shape = tuple(before + size + after for size, (before, after) in zip(spec.shape, borders, strict=True))
    return emit.operation("PAD", [x, paddings(emit, borders)], replace(spec, shape=shape))


def paddings(emit: Emitter, borders: Sequence[tuple[int, int]]) -> OperandId:
    """The constant that PAD and its like take: how much before and after each axis."""
    flat = [number for border in borders for number in border]
    return emit.int32_tensor(flat, (len(borders), 2))


def repeated(emit: Emitter, x: OperandId, times: int, axis: int) -> OperandId:
    """The tensor ``times`` times along an axis, by CONCATENATION."""
    return joined(emit, [x] * times, axis)


def interleaved(emit: Emitter, x: OperandId, times: int, axis: int) -> OperandId:
    """Each cell of an axis ``times`` times, one after another, by RESHAPE and CONCATENATION."""
    spec = emit.spec(x)
    before, after = prod(spec.shape[: axis + 1]), prod(spec.shape[axis + 1 :])
    column = reshaped(emit, x, (before, 1, after))
    shape = (*spec.shape[:axis], spec.shape[axis] * times, *spec.shape[axis + 1 :])
    return reshaped(emit, repeated(emit, column, times, 1), shape)


def rearranged(emit: Emitter, x: OperandId, sizes: Sequence[int], order: Sequence[int]) -> OperandId:
    """Dimension ``order[i]`` of a tensor seen in these sizes, of any number, at place ``i``; in some shape or other."""
    for shape, steps in transpositions(sizes, order):
        x = transposed(emit, reshaped(emit, x, shape), steps)
    return x


def transpositions(sizes: Sequence[int], order: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes and orders, one after another, that put dimension ``order[i]`` at place ``i``.

    One step where there are four dimensions at most. Otherwise each step exchanges two neighboring runs of
    dimensions, seen as one dimension each between all that stands before and behind them.
    """
    if len(order) <= MAX_RANK:
        if list(order) != sorted(order):
            yield tuple(sizes), tuple(order)
        return
    current = list(range(len(sizes)))
    for place, wanted in enumerate(order):
        start = current.index(wanted)
        if start == place:
            continue
        stop = start + 1
        # What follows in the wanted order, and stands behind it already, moves along.
        while stop < len(current) and order[place + stop - start] == current[stop]:
            stop += 1
        cuts = (0, place, start, stop, len(current))
        runs = [current[low:high] for low, high in pairwise(cuts)]
        yield tuple(prod(sizes[axis] for axis in run) for run in runs), (0, 2, 1, 3)
        current = [*runs[0], *runs[2], *runs[1], *runs[3]]
