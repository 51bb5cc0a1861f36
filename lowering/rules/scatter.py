"""Ops that write elements to constant places, by GATHER from the tensor and what is written; ops that add at places."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnapi_check.analyzer.graph import Absent, ElementType, Node, RefList, TensorType
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.element_moves import joined, reshaped, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.matrix_product import row_product, zero_bias
from nnapi_check.lowering.emission.emitter import Emitter, RuleError
from nnapi_check.lowering.emission.model_draft import OperandId, TensorSpec
from nnapi_check.lowering.emission.recipes import Recipe, RecipeArgument, from_call, full, weight
from nnapi_check.lowering.emission.rule_table import lowers


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
    numbered = _numbered(emit.type_of("self").shape)
    shape = emit.output_type().shape
    places = from_call(emit.node.op, (numbered, *arguments), shape=shape, dtype=ElementType.INT64)
    return emit.operation("GATHER", [vector, emit.int32(0), emit.weight(places)])


def _behind(emit: Emitter, name: str) -> Recipe:
    """The places of a tensor argument's elements, behind those of the tensor that is written to."""
    return _numbered(emit.type_of(name).shape) + emit.type_of("self").numel


@lowers("aten.scatter.src", way="gathered")
def scatter(node: Node, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and src."""
    return _written(emit, emit.input("src"), emit.integer("dim"), emit.constant("index"), _behind(emit, "src"))


@lowers("aten.scatter.value", way="gathered")
def scatter_number(node: Node, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and the number."""
    number = emit.number(emit.real("value"), emit.input("self"))
    return _written(emit, number, emit.integer("dim"), emit.constant("index"), emit.type_of("self").numel)


@lowers("aten.index_copy.default", way="gathered")
def index_copy(node: Node, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and source."""
    return _written(emit, emit.input("source"), emit.integer("dim"), emit.constant("index"), _behind(emit, "source"))


@lowers("aten.index_put.default", way="gathered")
def index_put(node: Node, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and values."""
    indices = emit.argument("indices")
    if not isinstance(indices, RefList):
        raise RuleError(f"{node.op}: indices is {indices!r}, a list of tensors was wanted")
    recipes = tuple(None if value is None else _index(emit, value) for value in indices.values)
    return _written(emit, emit.input("values"), recipes, _behind(emit, "values"))


def _index(emit: Emitter, value: int) -> Recipe:
    kind = emit.graph.type_of(value)
    if not isinstance(kind, TensorType):
        raise RuleError(f"{emit.node.op}: value {value} is {kind}, a tensor was wanted")
    return weight(value, kind)


@lowers("aten.masked_scatter.default", way="gathered")
def masked_scatter(node: Node, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and source."""
    return _written(emit, emit.input("source"), emit.constant("mask"), _behind(emit, "source"))


@lowers("aten.slice_scatter.default", way="gathered")
def slice_scatter(node: Node, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and src."""
    bounds = [None if isinstance(emit.argument(name), Absent) else emit.integer(name) for name in ("start", "end")]
    arguments = (_behind(emit, "src"), emit.integer("dim"), *bounds, emit.integer("step"))
    return _written(emit, emit.input("src"), *arguments)


@lowers("aten.select_scatter.default", way="gathered")
def select_scatter(node: Node, emit: Emitter) -> OperandId:
    """Lower to GATHER of elements of self and src."""
    arguments = (_behind(emit, "src"), emit.integer("dim"), emit.integer("index"))
    return _written(emit, emit.input("src"), *arguments)


@lowers("aten.index_add.default", way="constant")
def index_add(node: Node, emit: Emitter) -> OperandId:
    """Lower to the product of source and a constant matrix with ones at the places, and ADD."""
    slots, slices = _matrix_shape(emit)
    dtype = emit.output_type().dtype
    one_for_each = from_call("aten.eye.default", (slices,), shape=(slices, slices), dtype=ElementType.FLOAT32)
    empty = full((slots, slices), 0.0, dtype)
    arguments = (empty, 0, emit.constant("index"), one_for_each.cast(dtype) * emit.real("alpha"))
    matrix = from_call(node.op, arguments, shape=empty.shape, dtype=dtype)
    return _added(emit, emit.weight(matrix))


@lowers("aten.index_add.default", way="computed")
def index_add_computed(node: Node, emit: Emitter) -> OperandId:
    """Lower to the product of source and a matrix with ones where EQUAL finds the places, and ADD."""
    shape = _matrix_shape(emit)
    slots, _ = shape
    dtype = emit.output_type().dtype
    column = emit.int32_tensor(range(slots), (slots, 1))
    hits = emit.operation("EQUAL", [column, emit.input("index")], TensorSpec(OperandType.TENSOR_BOOL8, shape))
    branches = [emit.weight(full(shape, number, dtype)) for number in (emit.real("alpha"), 0.0)]
    return _added(emit, emit.operation("SELECT", [hits, *branches], replace(emit.output_spec(), shape=shape)))


def _matrix_shape(emit: Emitter) -> tuple[int, int]:
    """A row for each place of the tensor along the dimension, a column for each slice that is added."""
    dim = emit.integer("dim")
    return emit.shape_of("self")[dim], emit.shape_of("source")[dim]


def _added(emit: Emitter, matrix: OperandId) -> OperandId:
    """The tensor and the product of source with a matrix along the dimension, which is the last one meanwhile."""
    output = emit.output_spec()
    rank = len(output.shape)
    axis = emit.integer("dim") % rank
    source = emit.input("source")
    bias = zero_bias(emit, output.shape[axis], "self")
    if axis == rank - 1:
        emit.spare()
        total = row_product(emit, source, matrix, bias, output)
    else:
        order = (*(other for other in range(rank) if other != axis), axis)
        moved = replace(output, shape=tuple(output.shape[place] for place in order))
        product = row_product(emit, transposed(emit, source, order), matrix, bias, moved)
        total = transposed(emit, product, [order.index(place) for place in range(rank)])
    return Elementwise(emit, total).add(emit.input("self"), total)
