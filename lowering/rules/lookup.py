"""Ops that pick elements by index."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.element_moves import reshaped, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.places import counted_places
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Inline, Recipe, from_call, full
from nnapi_check.lowering.emission.rule_table import lowers


@lowers("aten.embedding.default", way="operation")
def embedding(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to EMBEDDING_LOOKUP."""
    return emit.operation("EMBEDDING_LOOKUP", [emit.input("indices"), emit.input("weight")])


@lowers("aten.embedding.default", way="gathered")
def embedding_gathered(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER along the rows of the table."""
    return emit.operation("GATHER", [emit.input("weight"), emit.int32(0), emit.input("indices")])


@lowers("aten.embedding.default", way="one row")
def embedding_row(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of a row, and RESHAPE to a vector."""
    output = emit.output_spec()
    row = emit.operation(
        "GATHER",
        [emit.input("weight"), emit.int32(0), emit.input("indices")],
        replace(output, shape=(1, *output.shape)),
    )
    return reshaped(emit, row, output.shape)


@lowers("aten.embedding_bag.default", "aten.embedding_bag.padding_idx", way="by a constant matrix")
def embedding_bag(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to EMBEDDING_LOOKUP, and FULLY_CONNECTED with the matrix of what each bag takes of which row.

    That matrix is what PyTorch's own op makes of a table of unit vectors, looked up one after another.
    """
    indices, bags = emit.input("indices"), emit.output_spec()
    count, width = emit.spec(indices).shape[0], bags.shape[1]
    kind = ElementType.FLOAT32
    unit = from_call("aten.eye.default", (count,), shape=(count, count), dtype=kind)
    every = from_call("aten.arange.default", (count,), shape=(count,), dtype=ElementType.INT64)
    factors = node.constant("per_sample_weights") if node.has("per_sample_weights") else None
    offsets = node.constant("offsets").cast(ElementType.INT64)
    last = node.flag("include_last_offset")
    arguments = (unit, every, offsets, False, node.integer("mode"), False, factors, last)
    matrix = from_call("aten.embedding_bag.default", arguments, shape=(bags.shape[0], count), dtype=kind, output=0)
    rows = emit.operation("EMBEDDING_LOOKUP", [indices, emit.input("weight")], replace(bags, shape=(count, width)))
    bias = emit.weight(full((bags.shape[0],), 0.0, kind))
    inputs = [transposed(emit, rows, (1, 0)), emit.weight(matrix), bias, emit.fuse()]
    return transposed(emit, emit.operation("FULLY_CONNECTED", inputs, replace(bags, shape=bags.shape[::-1])), (1, 0))


@lowers("aten.index_select.default", way="operation")
def index_select(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER, with the index as it is computed."""
    axis = node.axis(node.integer("dim"), node.output_type().rank)
    return emit.operation("GATHER", [emit.input("self"), emit.int32(axis), emit.input("index")])


@lowers("aten.index_select.default", way="constant")
def index_select_constant(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER with a constant index, along the axis where the layout has it."""
    axis = node.axis(node.integer("dim"), node.output_type().rank)
    return emit.operation("GATHER", [emit.input("self"), emit.int32(axis), emit.weight(node.constant("index"))])


@lowers("aten.index.Tensor", way="operation")
def index(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER along the one dimension that is indexed; places counted from the end become positive."""
    kind = node.type_of("self")
    dim, places = _only_index(node)
    positive = from_call("aten.remainder.Scalar", (places, kind.shape[dim]), shape=places.shape, dtype=places.dtype)
    axis = node.axis(dim, kind.rank)
    return emit.operation("GATHER", [emit.input("self"), emit.int32(axis), emit.weight(positive)])


@lowers("aten.index.Tensor", way="merged dimensions")
def index_merged(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE, which makes one dimension of those that are indexed, and GATHER along it.

    The op itself, called with places for elements, tells which places of that dimension the result is made of.
    """
    shape = node.shape_of("self")
    found = _indices(node)
    first, past = min(found), max(found) + 1
    # Where dimensions that are indexed lie apart, PyTorch puts what is picked in front.
    start = first if len(found) == past - first else 0
    merged = shape[start:past]
    before, size, after = shape[:start], prod(merged), shape[past:]
    numbered = from_call("aten.arange.default", (size,), shape=(size,), dtype=ElementType.INT64).reshape(*merged)
    output = node.output_type().shape
    arguments = (numbered, tuple(found.get(dim) for dim in range(start, past)))
    places = from_call(node.op, arguments, shape=output[start : len(output) - len(after)], dtype=ElementType.INT64)
    line = reshaped(emit, emit.input("self"), (*before, size, *after))
    return emit.operation("GATHER", [line, emit.int32(start), emit.weight(places)])


@lowers("aten.index.Tensor", way="computed places")
def index_computed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER along the one dimension that is indexed, with places from its front."""
    dim, places = _computed_places(emit)
    return emit.operation("GATHER", [emit.input("self"), emit.int32(dim), places])


@lowers("aten.index.Tensor", way="one computed place")
def index_computed_place(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of one place, and RESHAPE that takes its dimension away."""
    dim, place = _computed_places(emit)
    shape = node.shape_of("self")
    found = replace(emit.output_spec(), shape=(*shape[:dim], 1, *shape[dim + 1 :]))
    row = emit.operation("GATHER", [emit.input("self"), emit.int32(dim), place], found)
    return reshaped(emit, row, emit.output_spec().shape)


def _computed_places(emit: Emitter) -> tuple[int, OperandId]:
    """The dimension that has an index, and the places that it takes, from the front."""
    dim, places = emit.only_input_of("indices")
    return dim, counted_places(emit, places, emit.node.shape_of("self")[dim])


def _only_index(node: NodeReader) -> tuple[int, Recipe]:
    """The dimension that has an index, and the index."""
    return next(iter(_indices(node).items()))


def _indices(node: NodeReader) -> dict[int, Recipe]:
    """The indices by the dimensions that have one."""
    return {dim: index for dim, index in enumerate(node.constants("indices")) if index is not None}


@lowers("aten.gather.default", way="operation")
def gather(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE to a vector and GATHER of the constant places in it."""
    elsewhere, stride = _places_in_a_vector(node)
    places = node.constant("index").cast(ElementType.INT32).reshape(*node.shape_of("index"))
    return _gathered(emit, emit.weight(places * stride + elsewhere))


@lowers("aten.gather.default", way="computed places")
def gather_computed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL and ADD, which give the places in a vector, and GATHER of them in the tensor as one by RESHAPE."""
    elsewhere, stride = _places_in_a_vector(node)
    places = emit.input("index")
    spec = emit.spec(places)
    if len(node.shape_of("self")) == 1:
        emit.spare()
        return _gathered(emit, places)
    if stride > 1:
        places = emit.operation("MUL", [places, emit.number(stride, places), emit.fuse()], spec)
    return _gathered(emit, emit.operation("ADD", [places, emit.weight(elsewhere), emit.fuse()], spec))


@lowers("aten.gather.default", way="places as floats")
def gather_by_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL and ADD of places as floats between two CAST operations, and GATHER of the tensor as one vector."""
    return _gathered(emit, _places_by_floats(node, emit))


@lowers("aten.gather.default", way="of a constant")
def gather_constant(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL and ADD of places as floats between two CAST operations, and GATHER of a constant vector."""
    table = emit.weight(node.constant("self").reshape(prod(node.shape_of("self"))))
    return emit.operation("GATHER", [table, emit.int32(0), _places_by_floats(node, emit)])


def _places_by_floats(node: NodeReader, emit: Emitter) -> OperandId:
    elsewhere, stride = _places_in_a_vector(node)
    index = emit.input("index")
    spec = emit.spec(index)
    floats = emit.operation("CAST", [index], replace(spec, type=OperandType.TENSOR_FLOAT32))
    write = Elementwise(emit, floats, emit.spec(floats))
    places = write.add(write.scaled(floats, stride), emit.weight(elsewhere.cast(ElementType.FLOAT32)))
    return emit.operation("CAST", [places], spec)


def _places_in_a_vector(node: NodeReader) -> tuple[Inline, int]:
    """Where the line of each element of the result begins in a vector of all, and how far apart its elements are."""
    shape = node.shape_of("self")
    dim = node.integer("dim") % len(shape)
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    size = node.shape_of("index")
    elsewhere = np.zeros(size, np.int32)
    for axis, cells in enumerate(np.indices(size, np.int32, sparse=True)):
        elsewhere = elsewhere + (0 if axis == dim else cells * strides[axis])
    return Inline(elsewhere.astype("<i4").tobytes(), ElementType.INT32, size), strides[dim]


def _gathered(emit: Emitter, places: OperandId) -> OperandId:
    vector = reshaped(emit, emit.input("self"), (prod(emit.node.shape_of("self")),))
    return emit.operation("GATHER", [vector, emit.int32(0), places])
