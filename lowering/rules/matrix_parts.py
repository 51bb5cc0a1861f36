"""The triangles and the diagonal of matrices."""

from __future__ import annotations

from math import prod

import numpy as np

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.element_moves import Cut, cut, reshaped
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe, from_call, full
from nnapi_check.lowering.emission.rule_table import lowers

_TRIANGLES = ("aten.tril.default", "aten.triu.default")


def _triangle(node: NodeReader, shape: tuple[int, ...], dtype: ElementType) -> Recipe:
    """Ones, or true, where the op keeps elements of a tensor of this shape."""
    ones = full(shape, 1.0, dtype)
    return from_call(node.op, (ones, node.integer("diagonal")), shape=shape, dtype=dtype)


@lowers(*_TRIANGLES, way="selected")
def triangle_selected(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between the tensor and zeros."""
    kind = node.output_type()
    mask = emit.weight(_triangle(node, kind.shape, ElementType.BOOL))
    return emit.operation("SELECT", [mask, emit.input("self"), emit.weight(full(kind.shape, 0.0, kind.dtype))])


@lowers(*_TRIANGLES, way="of truth values")
def triangle_of_truth_values(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOGICAL_AND with a constant triangle."""
    mask = emit.weight(_triangle(node, node.output_type().shape[-2:], ElementType.BOOL))
    return emit.operation("LOGICAL_AND", [emit.input("self"), mask])


@lowers(*_TRIANGLES, way="masked")
def triangle_masked(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL by a constant triangle of ones."""
    x = emit.input("self")
    kind = node.output_type()
    return Elementwise(emit, x).mul(x, emit.weight(_triangle(node, kind.shape[-2:], kind.dtype)))


@lowers("aten.diagonal.default", way="walked")
def diagonal(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE of the rows one after another, each step a row and a column further."""
    x = emit.input("self")
    rows, columns = emit.spec(x).shape[-2:]
    output = emit.output_spec().shape
    offset = node.integer("offset")
    first = offset if offset >= 0 else -offset * columns
    flat = reshaped(emit, x, (prod(output[:-1]), rows * columns))
    return reshaped(emit, cut(emit, flat, {1: Cut(first, output[-1], columns + 1)}), output)


@lowers("aten.diagonal.default", way="gathered")
def diagonal_gathered(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of the diagonal's places in the tensor as a vector."""
    shape = node.type_of("self").shape
    cells = np.arange(prod(shape)).reshape(shape)
    places = cells.diagonal(node.integer("offset"), node.integer("dim1"), node.integer("dim2"))
    vector = reshaped(emit, emit.input("self"), (prod(shape),))
    indices = emit.int32_tensor([int(place) for place in places.flat], places.shape)
    return emit.operation("GATHER", [vector, emit.int32(0), indices])
