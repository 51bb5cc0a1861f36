"""Runs of reshapes and permutations that a rewrite made one node of."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.lowering.compositions.element_moves import Cut, cut, rearranged, reshaped
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers


def _rearranged(emit: Emitter, x: OperandId) -> OperandId:
    """Rearrange an operand as the node says: each TRANSPOSE has rank 4 at most."""
    moved = rearranged(emit, x, emit.node.ints("shape_before"), emit.node.ints("order"))
    return reshaped(emit, moved, emit.output_spec().shape)


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
