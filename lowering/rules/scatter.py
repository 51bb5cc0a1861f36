"""Ops that write elements to places, by GATHER from the tensor and what is written; ops that add at places."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnapi_check.analyzer.graph import Absent, ElementType
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.element_moves import Cut, cut, joined, last_order, reshaped, restored, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.matrix_product import row_product, zero_bias
from nnapi_check.lowering.compositions.places import counted_places, replaced_place
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe, RecipeArgument, from_call, full
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


def _numbered(shape: tuple[int, ...]) -> Recipe:
    """Every element's place in the tensor, its rows one after another."""
    size = prod(shape)
    return from_call("aten.arange.default", (size,), shape=(size,), dtype=ElementType.INT64).reshape(*shape)


def _flat(emit: Emitter, x: OperandId) -> OperandId:
    return reshaped(emit, x, (prod(emit.spec(x).shape),))


def _written(emit: Emitter, data: OperandId, *arguments: RecipeArgument) -> OperandId:
    """The result, gathered from the tensor and ``data`` one after the other.

    The op itself, called with places for elements, tells which place each of the result's elements comes from;
    ``arguments`` are those after ``self``, with the places of ``data`` behind those of the tensor.
    """
    vector = joined(emit, [_flat(emit, emit.input("self")), _flat(emit, data)], 0)
    numbered = _numbered(emit.node.type_of("self").shape)
    shape = emit.node.output_type().shape
    places = from_call(emit.node.op, (numbered, *arguments), shape=shape, dtype=ElementType.INT64)
    return emit.operation("GATHER", [vector, emit.int32(0), emit.weight(places)])


def _behind(node: NodeReader, name: str) -> Recipe:
    """The places of a tensor argument's elements, behind those of the tensor that is written to."""
    return _numbered(node.type_of(name).shape) + node.type_of("self").numel


@lowers("aten.scatter.src", way="gathered")
def scatter(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and src."""
    return _written(emit, emit.input("src"), node.integer("dim"), node.constant("index"), _behind(node, "src"))


@lowers("aten.scatter.value", way="gathered")
def scatter_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and the number."""
    number = emit.number(node.real("value"), emit.input("self"))
    return _written(emit, number, node.integer("dim"), node.constant("index"), node.type_of("self").numel)


@lowers("aten.index_copy.default", way="gathered")
def index_copy(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and source."""
    return _written(emit, emit.input("source"), node.integer("dim"), node.constant("index"), _behind(node, "source"))


@lowers("aten.index_put.default", way="gathered")
def index_put(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and values."""
    return _written(emit, emit.input("values"), node.constants("indices"), _behind(node, "values"))


@lowers("aten.index_put.default", way="one computed place")
def index_put_computed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of the tensor's slices, or of the one behind them where EQUAL finds its place."""
    dim, place = emit.only_input_of("indices")
    shape = node.shape_of("self")
    size, slice_shape = shape[dim], (*shape[:dim], 1, *shape[dim + 1 :])
    written = _spread(emit, emit.input("values"), (*shape[:dim], *shape[dim + 1 :]))
    both = joined(emit, [emit.input("self"), reshaped(emit, written, slice_shape)], dim)
    origins = replaced_place(emit, counted_places(emit, place, size), size)
    return emit.operation("GATHER", [both, emit.int32(dim), origins])


def _spread(emit: Emitter, x: OperandId, wanted: tuple[int, ...]) -> OperandId:
    """A tensor that broadcasts to a shape as one of as many elements, by RESHAPE and TILE."""
    shape = emit.spec(x).shape
    if prod(shape) == prod(wanted):
        emit.spare()
        return x
    wider = (1,) * (len(wanted) - len(shape)) + shape
    times = [full // size for full, size in zip(wanted, wider, strict=True)]
    spec = replace(emit.spec(x), shape=wanted)
    return emit.operation("TILE", [reshaped(emit, x, wider), emit.int32_tensor(times)], spec)


@lowers("aten.masked_scatter.default", way="gathered")
def masked_scatter(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and source."""
    return _written(emit, emit.input("source"), node.constant("mask"), _behind(node, "source"))


@lowers("aten.slice_scatter.default", way="unchanged")
def slice_scatter_whole(node: NodeReader, emit: Emitter) -> OperandId:
    """Emit nothing: what is written stands for all."""
    return emit.input("src")


@lowers("aten.slice_scatter.default", way="between")
def slice_scatter_between(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION of src, and what STRIDED_SLICE takes from before and behind it."""
    start, _ = _bounds(node)
    first = 0 if start is None else slice(start, None).indices(node.shape_of("self")[node.integer("dim")])[0]
    return _between(emit, emit.input("src"), node.axis(node.integer("dim"), node.output_type().rank), first)


@lowers("aten.slice_scatter.default", way="gathered")
def slice_scatter(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and src."""
    arguments = (_behind(node, "src"), node.integer("dim"), *_bounds(node), node.integer("step"))
    return _written(emit, emit.input("src"), *arguments)


def _bounds(node: NodeReader) -> list[int | None]:
    """The bounds of a slice, None for one that is left open."""
    return [None if isinstance(node.argument(name), Absent) else node.integer(name) for name in ("start", "end")]


@lowers("aten.select_scatter.default", way="between")
def select_scatter_between(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION of src with its dimension, and what STRIDED_SLICE takes from before and behind it."""
    shape = node.shape_of("self")
    dim = node.integer("dim") % len(shape)
    written = reshaped(emit, emit.input("src"), (*shape[:dim], 1, *shape[dim + 1 :]))
    return _between(emit, written, dim, node.integer("index") % shape[dim])


def _between(emit: Emitter, written: OperandId, axis: int, first: int) -> OperandId:
    """What is written along an axis from a place on, between the elements of self there."""
    whole = emit.input("self")
    size, past = emit.spec(whole).shape[axis], first + emit.spec(written).shape[axis]
    before = [cut(emit, whole, {axis: Cut(0, first)})] if first else []
    behind = [cut(emit, whole, {axis: Cut(past, size - past)})] if past < size else []
    if not before and not behind:
        emit.spare()
    return joined(emit, [*before, written, *behind], axis)


@lowers("aten.select_scatter.default", way="gathered")
def select_scatter(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and src."""
    arguments = (_behind(node, "src"), node.integer("dim"), node.integer("index"))
    return _written(emit, emit.input("src"), *arguments)


@lowers("aten.index_add.default", way="constant")
def index_add(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the product of source and a constant matrix with ones at the places, and ADD."""
    slots, slices = _matrix_shape(node)
    dtype = node.output_type().dtype
    one_for_each = from_call("aten.eye.default", (slices,), shape=(slices, slices), dtype=ElementType.FLOAT32)
    empty = full((slots, slices), 0.0, dtype)
    arguments = (empty, 0, node.constant("index"), one_for_each.cast(dtype) * node.real("alpha"))
    matrix = from_call(node.op, arguments, shape=empty.shape, dtype=dtype)
    return _added(emit, emit.weight(matrix))


@lowers("aten.index_add.default", way="computed")
def index_add_computed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the product of source and a matrix with ones where EQUAL finds the places, and ADD."""
    shape = _matrix_shape(node)
    slots, _ = shape
    dtype = node.output_type().dtype
    column = emit.int32_tensor(range(slots), (slots, 1))
    hits = emit.operation("EQUAL", [column, emit.input("index")], TensorSpec(OperandType.TENSOR_BOOL8, shape))
    branches = [emit.weight(full(shape, number, dtype)) for number in (node.real("alpha"), 0.0)]
    return _added(emit, emit.operation("SELECT", [hits, *branches], replace(emit.output_spec(), shape=shape)))


def _matrix_shape(node: NodeReader) -> tuple[int, int]:
    """A row for each place of the tensor along the dimension, a column for each slice that is added."""
    dim = node.integer("dim")
    return node.shape_of("self")[dim], node.shape_of("source")[dim]


def _added(emit: Emitter, matrix: OperandId) -> OperandId:
    """The tensor and the product of source with a matrix along the dimension, which is the last one meanwhile."""
    output = emit.output_spec()
    rank = len(output.shape)
    axis = emit.node.integer("dim") % rank
    source = emit.input("source")
    bias = zero_bias(emit, output.shape[axis], "self")
    if axis == rank - 1:
        emit.spare()
        total = row_product(emit, source, matrix, bias, output)
    else:
        order = last_order(rank, axis)
        moved = replace(output, shape=tuple(output.shape[place] for place in order))
        product = row_product(emit, transposed(emit, source, order), matrix, bias, moved)
        total = restored(emit, product, order)
    return Elementwise(emit, total).add(emit.input("self"), total)
