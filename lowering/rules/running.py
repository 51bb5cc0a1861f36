"""Running sums, products, maxima and minima: a tensor combined with itself, moved by 1, 2, 4 and so on on an axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.element_moves import Cut, cut, joined, last_order, reshaped, restored, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise, truth_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Inline, Recipe, from_call, full
from nnapi_check.lowering.emission.rule_table import Rule, lowers

_Tracks = Sequence[OperandId]
_Combine = Callable[[_Tracks, _Tracks], list[OperandId]]
"""What becomes of some elements, given first, and of those before them."""


def _axis(node: NodeReader) -> int:
    return node.axis(node.integer("dim"), node.output_type().rank)


def _shifts(size: int) -> Iterator[int]:
    shift = 1
    while shift < size:
        yield shift
        shift *= 2


def _running(emit: Emitter, tracks: _Tracks, combine: _Combine) -> _Tracks:
    """The tensors with every element combined with all that stand before it on the axis, in step with each other."""
    axis = _axis(emit.node)
    size = emit.spec(tracks[0]).shape[axis]
    if size == 1:
        emit.spare()
    for shift in _shifts(size):
        behind = [cut(emit, track, {axis: Cut(shift, size - shift)}) for track in tracks]
        before = [cut(emit, track, {axis: Cut(0, size - shift)}) for track in tracks]
        firsts = [cut(emit, track, {axis: Cut(0, shift)}) for track in tracks]
        found = combine(behind, before)
        tracks = [joined(emit, pair, axis) for pair in zip(firsts, found, strict=True)]
    return tracks


@lowers("aten.cumprod.default", way="doubling")
def cumprod(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL of the tensor with itself, moved by 1, 2, 4 and so on."""

    def combine(behind: _Tracks, before: _Tracks) -> list[OperandId]:
        (left,), (right,) = behind, before
        return [Elementwise(emit, left, emit.spec(left)).mul(left, right)]

    (found,) = _running(emit, [emit.input("self")], combine)
    return found


def _extreme(beaten: str) -> Rule:
    """The running extreme and where it stands; an element that is ``beaten`` by one before it gives way to that."""

    def rule(node: NodeReader, emit: Emitter) -> tuple[OperandId, OperandId]:
        def combine(behind: _Tracks, before: _Tracks) -> list[OperandId]:
            (new, _), (old, _) = behind, before
            write = Elementwise(emit, new, emit.spec(new))
            truths = Elementwise(emit, new, truth_spec(emit.spec(new)))
            # The later of equals stays, and nan beats every number.
            stands = truths.of("LOGICAL_NOT", truths.of(beaten, new, old))
            can_win = truths.of("LOGICAL_OR", truths.of("EQUAL", old, old), truths.of("NOT_EQUAL", new, new))
            stays = truths.of("LOGICAL_AND", stands, can_win)
            return [write.of("SELECT", stays, *pair) for pair in zip(behind, before, strict=True)]

        values, places = _running(emit, [emit.input("self"), emit.weight(_places(emit))], combine)
        return values, emit.operation("CAST", [places], emit.output_spec(1))

    return rule


def _places(emit: Emitter) -> Recipe:
    """Every element's place on the axis, as a float: operations that move elements take no INT32."""
    shape = emit.output_spec().shape
    numbers = np.indices(shape, "<f4")[_axis(emit.node)]
    return Inline(numbers.tobytes(), ElementType.FLOAT32, shape)


lowers("aten.cummax.default", way="doubling")(_extreme("LESS"))
lowers("aten.cummin.default", way="doubling")(_extreme("GREATER"))


@lowers("aten.cumsum.default", way="last dimension")
def cumsum(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product with a triangle of ones."""
    return _running_sums(emit, emit.input("self"))


@lowers("aten.cumsum.default", way="moved")
def cumsum_moved(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product with a triangle of ones, the dimension moved to the end before and back after."""
    x = emit.input("self")
    rank = len(emit.spec(x).shape)
    order = last_order(rank, node.integer("dim") % rank)
    return restored(emit, _running_sums(emit, transposed(emit, x, order)), order)


def _running_sums(emit: Emitter, x: OperandId) -> OperandId:
    """Row i of the triangle adds up elements 0 to i. Emits RESHAPE and FULLY_CONNECTED."""
    spec = emit.spec(x)
    size = spec.shape[-1]
    matrix = replace(spec, shape=(prod(spec.shape[:-1]), size))
    dtype = emit.node.output_type().dtype
    triangle = from_call("aten.tril.default", (full((size, size), 1.0, dtype),), shape=(size, size), dtype=dtype)
    rows = reshaped(emit, x, matrix.shape)
    inputs = [rows, emit.weight(triangle), emit.weight(full((size,), 0.0, dtype)), emit.fuse()]
    return reshaped(emit, emit.operation("FULLY_CONNECTED", inputs, matrix), spec.shape)


@lowers("aten.cumsum.default", way="whole numbers")
def cumsum_of_whole_numbers(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ADD of what stands 1, 2, 4 and more places before, which no float rounds."""
    return _doubled_sums(emit, emit.input("self"))


@lowers("aten.cumsum.default", way="truth values")
def cumsum_of_truths(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT of ones and zeros, and the running sums of these."""
    shape = node.output_type().shape
    ones, zeros = (emit.int32_tensor([number] * prod(shape), shape) for number in (1, 0))
    return _doubled_sums(emit, emit.operation("SELECT", [emit.input("self"), ones, zeros], emit.output_spec()))


def _doubled_sums(emit: Emitter, x: OperandId) -> OperandId:
    """Each step adds the sums of as many elements before, until they reach the first: GATHER, MUL and ADD."""
    output, axis = emit.output_spec(), _axis(emit.node)
    size = output.shape[axis]
    counted = (size, *[1] * (len(output.shape) - 1 - axis))
    if size == 1:
        emit.spare()
    sums, write = x, Elementwise(emit, x, output)
    for step in _shifts(size):
        places = emit.int32_tensor([max(place - step, 0) for place in range(size)])
        before = emit.operation("GATHER", [sums, emit.int32(axis), places], output)
        reached = emit.int32_tensor([int(place >= step) for place in range(size)], counted)
        sums = write.add(sums, write.mul(before, reached))
    return sums
