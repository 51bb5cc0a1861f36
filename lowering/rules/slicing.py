"""Ops that take part of a tensor, or its elements in another order along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod

from nnapi_check.analyzer.graph import Absent, Argument
from nnapi_check.lowering.compositions.element_moves import Cut, boxed, cut, gathered, joined, reshaped, transposed
from nnapi_check.lowering.compositions.places import counted_places
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers

_SPLITTING = (
    "aten.chunk.default",
    "aten.unsafe_chunk.default",
    "aten.split.Tensor",
    "aten.unsafe_split.Tensor",
    "aten.split_with_sizes.default",
    "aten.split.sizes",
    "aten.tensor_split.sections",
)
_Cutter = Callable[[Emitter, OperandId, dict[int, Cut]], OperandId]


def _whole(argument: Argument) -> int | None:
    """A bound of a slice; None where it is left open."""
    return None if isinstance(argument, Absent) or not isinstance(argument, int) else argument


def _slice_range(node: NodeReader) -> range:
    """The places that a slice takes, bounds clamped to the tensor as PyTorch does."""
    size = node.type_of("self").shape[node.integer("dim")]
    bounds = slice(_whole(node.argument("start")), _whole(node.argument("end")), node.integer("step"))
    return range(*bounds.indices(size))


def _slice_cut(node: NodeReader) -> dict[int, Cut]:
    places = _slice_range(node)
    axis = node.axis(node.integer("dim"), node.type_of("self").rank)
    return {axis: Cut(places.start, len(places), places.step)}


@lowers("aten.slice.Tensor", "aten.roll.default", way="unchanged")
def unchanged(node: NodeReader, emit: Emitter) -> OperandId:
    """Emit nothing: the input's operand stands for the output."""
    return emit.input("self")


@lowers("aten.slice.Tensor", way="operation")
def slice_strided(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE."""
    return cut(emit, emit.input("self"), _slice_cut(node))


@lowers("aten.slice.Tensor", way="box")
def slice_box(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SLICE."""
    return boxed(emit, emit.input("self"), _slice_cut(node))


@lowers("aten.slice.Tensor", way="gathered")
def slice_gathered(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER with the places of the slice."""
    axis = node.axis(node.integer("dim"), node.type_of("self").rank)
    return gathered(emit, emit.input("self"), axis, list(_slice_range(node)))


def _narrow_cut(node: NodeReader) -> dict[int, Cut]:
    kind = node.type_of("self")
    axis = node.axis(node.integer("dim"), kind.rank)
    return {axis: Cut(node.integer("start") % kind.shape[node.integer("dim")], node.integer("length"))}


@lowers("aten.narrow.default", way="operation")
def narrow(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE."""
    return cut(emit, emit.input("self"), _narrow_cut(node))


@lowers("aten.narrow.default", way="box")
def narrow_box(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SLICE."""
    return boxed(emit, emit.input("self"), _narrow_cut(node))


@lowers("aten.narrow.Tensor", way="computed places")
def narrow_computed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of the places behind the first one."""
    dim = node.integer("dim") % node.type_of("self").rank
    first = counted_places(emit, emit.input("start"), node.shape_of("self")[dim])
    behind = emit.int32_tensor(range(node.integer("length")))
    places = emit.operation("ADD", [behind, first, emit.fuse()], emit.spec(behind))
    return emit.operation("GATHER", [emit.input("self"), emit.int32(dim), places])


def _slices(emit: Emitter, dim: int, places: range, cutter: _Cutter) -> list[OperandId]:
    """One place of ``dim`` for each output, without that dimension."""
    x = emit.input("self")
    axis = emit.node.axis(dim, emit.node.type_of("self").rank)
    return [
        reshaped(emit, cutter(emit, x, {axis: Cut(place, 1)}), emit.output_spec(index).shape)
        for index, place in enumerate(places)
    ]


def _selected_place(node: NodeReader) -> range:
    place = node.integer("index") % node.type_of("self").shape[node.integer("dim")]
    return range(place, place + 1)


@lowers("aten.select.int", way="operation")
def select(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to STRIDED_SLICE and RESHAPE."""
    return _slices(emit, node.integer("dim"), _selected_place(node), cut)


@lowers("aten.select.int", way="box")
def select_box(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to SLICE and RESHAPE."""
    return _slices(emit, node.integer("dim"), _selected_place(node), boxed)


@lowers("aten.unbind.int", way="operation")
def unbind(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to a STRIDED_SLICE and a RESHAPE for each output."""
    return _slices(emit, node.integer("dim"), range(len(node.outputs)), cut)


@lowers("aten.unbind.int", way="box")
def unbind_box(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to a SLICE and a RESHAPE for each output."""
    return _slices(emit, node.integer("dim"), range(len(node.outputs)), boxed)


@lowers(*_SPLITTING, way="operation")
def split(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to SPLIT."""
    axis = node.axis(node.integer("dim"), node.type_of("self").rank)
    count = len(node.outputs)
    inputs = [emit.input("self"), emit.int32(axis), emit.int32(count)]
    return emit.operations("SPLIT", inputs, [emit.output_spec(index) for index in range(count)])


def _part_cuts(node: NodeReader) -> list[Cut]:
    """What each output takes of the dimension that is split: places behind those of the one before."""
    sizes = [node.output_type(index).shape[node.integer("dim")] for index in range(len(node.outputs))]
    ends = accumulate(sizes)
    return [Cut(end - size, size) for end, size in zip(ends, sizes, strict=True)]


def _pieces(emit: Emitter, cutter: _Cutter) -> list[OperandId]:
    """The parts of the tensor, one cut for each output."""
    x = emit.input("self")
    axis = emit.node.axis(emit.node.integer("dim"), emit.node.type_of("self").rank)
    return [cutter(emit, x, {axis: part}) for part in _part_cuts(emit.node)]


@lowers(*_SPLITTING, "aten.tensor_split.indices", way="slices")
def split_slices(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to a STRIDED_SLICE for each output."""
    return _pieces(emit, cut)


@lowers(*_SPLITTING, "aten.tensor_split.indices", way="boxes")
def split_boxes(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to a SLICE for each output."""
    return _pieces(emit, boxed)


def _wide_parts(emit: Emitter, parts: Sequence[Cut]) -> list[OperandId]:
    """A cut of a dimension for each output, of a tensor of more dimensions than an operand has: those before it stand
    as one, and those behind it."""
    shape, dim = emit.node.shape_of("self"), emit.node.integer("dim") % emit.node.type_of("self").rank
    x = reshaped(emit, emit.input("self"), (prod(shape[:dim]), shape[dim], prod(shape[dim + 1 :])))
    return [reshaped(emit, cut(emit, x, {1: part}), emit.output_spec(index).shape) for index, part in enumerate(parts)]


@lowers("aten.slice.Tensor", way="wide")
def slice_wide(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to STRIDED_SLICE between two RESHAPE operations."""
    return _wide_parts(emit, list(_slice_cut(node).values()))


@lowers("aten.narrow.default", way="wide")
def narrow_wide(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to STRIDED_SLICE between two RESHAPE operations."""
    return _wide_parts(emit, list(_narrow_cut(node).values()))


@lowers("aten.select.int", way="wide")
def select_wide(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to STRIDED_SLICE between two RESHAPE operations."""
    return _wide_parts(emit, [Cut(place, 1) for place in _selected_place(node)])


@lowers("aten.unbind.int", way="wide")
def unbind_wide(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to a STRIDED_SLICE between two RESHAPE operations for each output."""
    return _wide_parts(emit, [Cut(place, 1) for place in range(len(node.outputs))])


@lowers(*_SPLITTING, "aten.tensor_split.indices", way="wide")
def split_wide(node: NodeReader, emit: Emitter) -> list[OperandId]:
    """Lower to a STRIDED_SLICE between two RESHAPE operations for each output."""
    return _wide_parts(emit, _part_cuts(node))


_FLIPPED = {"aten.fliplr.default": (1,), "aten.flipud.default": (0,)}
"""Ops whose name says which dimensions they turn round."""


def _flipped_dims(node: NodeReader) -> tuple[int, ...]:
    return _FLIPPED[node.op] if node.op in _FLIPPED else node.ints("dims")


@lowers("aten.flip.default", *_FLIPPED, way="operation")
def flip(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REVERSE."""
    (dim,) = _flipped_dims(node)
    return emit.operation("REVERSE", [emit.input("self"), emit.int32_tensor([node.axis(dim, node.output_type().rank)])])


@lowers("aten.flip.default", *_FLIPPED, way="walked")
@lowers("aten.rot90.default", way="half turn")
def flip_walked(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE that walks from the end to the front."""
    return _walked_back(emit, _flipped_dims(node))


def _walked_back(emit: Emitter, dims: Sequence[int]) -> OperandId:
    shape = emit.node.shape_of("self")
    cuts = {emit.node.axis(dim, len(shape)): Cut(shape[dim] - 1, shape[dim], -1) for dim in dims}
    return cut(emit, emit.input("self"), cuts)


@lowers("aten.rot90.default", way="quarter turn")
def quarter_turn(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE that walks back along one dimension, and TRANSPOSE with the other."""
    rank = node.output_type().rank
    first, second = node.ints("dims")
    flipped = _walked_back(emit, [second if node.integer("k") % 4 == 1 else first])
    order = list(range(rank))
    a, b = node.axis(first, rank), node.axis(second, rank)
    order[a], order[b] = b, a
    return transposed(emit, flipped, order)


@lowers("aten.roll.default", way="operation")
def roll(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to two STRIDED_SLICE and a CONCATENATION for each dimension."""
    x = emit.input("self")
    shape = node.output_type().shape
    for shift, dim in zip(node.ints("shifts"), node.ints("dims"), strict=True):
        size, axis = shape[dim], node.axis(dim, len(shape))
        tail = shift % size
        parts = [Cut(size - tail, tail), Cut(0, size - tail)]
        x = joined(emit, [cut(emit, x, {axis: part}) for part in parts if part.count], axis)
    return x
