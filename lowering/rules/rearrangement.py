"""Runs of reshapes and permutations that a rewrite made one node of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod

from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.lowering.compositions.element_moves import Cut, cut, reshaped, transposed
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers


def _rearranged(emit: Emitter, x: OperandId) -> OperandId:
    """Rearrange an operand as the node says: each TRANSPOSE has rank 4 at most."""
    for shape, order in transpositions(emit.node.ints("shape_before"), emit.node.ints("order")):
        x = transposed(emit, reshaped(emit, x, shape), order)
    return reshaped(emit, x, emit.output_spec().shape)


@lowers("nnapi_check.rearrange.default", way="reshaped")
def rearrange_reshaped(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE."""
    return reshaped(emit, emit.input("self"), emit.output_spec().shape)


@lowers("nnapi_check.rearrange.default", way="operation")
def rearrange(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE and TRANSPOSE, as often as needed."""
    return _rearranged(emit, emit.input("self"))


def _middle(emit: Emitter) -> OperandId:
    """The input as three dimensions, of which the middle one is picked from."""
    shape = (emit.node.integer("outer"), emit.node.integer("count"), emit.node.integer("inner"))
    return reshaped(emit, emit.input("self"), shape)


@lowers("nnapi_check.rearrange_parts.default", way="split")
def rearrange_split(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to SPLIT, then RESHAPE and TRANSPOSE of each part."""
    middle = _middle(emit)
    outer, count, inner = emit.spec(middle).shape
    part = replace(emit.spec(middle), shape=(outer, 1, inner))
    parts = emit.operations("SPLIT", [middle, emit.int32(1), emit.int32(count)], [part] * count)
    return [_rearranged(emit, parts[index]) for index in node.ints("indices")]


@lowers("nnapi_check.rearrange_parts.default", way="slices")
def rearrange_slices(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to STRIDED_SLICE, RESHAPE and TRANSPOSE for each part."""
    middle = _middle(emit)
    return [_rearranged(emit, cut(emit, middle, {1: Cut(index, 1)})) for index in node.ints("indices")]


@lowers("nnapi_check.add_spread.default", way="operation")
def add_spread(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ADD with the constant in the input's rank."""
    constant = node.constant("other")
    expanded, shape = node.ints("expanded"), node.ints("shape")
    aligned = constant.reshape(*(1,) * (len(expanded) - constant.rank), *constant.shape).expand(*expanded)
    return emit.operation("ADD", [emit.input("self"), emit.weight(aligned.reshape(*shape)), emit.fuse()])


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
