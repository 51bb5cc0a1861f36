"""Reductions that count elements, or leave out those that are not numbers."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.elementwise import Elementwise, truth_spec
from nnapi_check.lowering.compositions.statistics import reduced_axes
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_COUNTS = ("aten.count_nonzero.default", "aten.count_nonzero.dim_IntList")


def _sum(emit: Emitter, x: OperandId, output: TensorSpec) -> OperandId:
    keeps = emit.node.has("keepdim") and emit.node.flag("keepdim")
    return emit.operation("REDUCE_SUM", [x, emit.int32_tensor(reduced_axes(emit.node)), emit.boolean(keeps)], output)


def _chosen(emit: Emitter, truths: OperandId, dtype: ElementType, spec: TensorSpec) -> OperandId:
    """A one for each that is true, else a zero."""
    branches = [emit.weight(full(spec.shape, number, dtype)) for number in (1.0, 0.0)]
    return emit.operation("SELECT", [truths, *branches], spec)


def _counted(emit: Emitter, truths: OperandId) -> OperandId:
    """How many are true, counted in floats, for REDUCE_SUM takes no whole numbers."""
    floats = replace(emit.spec(truths), type=OperandType.TENSOR_FLOAT32)
    ones = _chosen(emit, truths, ElementType.FLOAT32, floats)
    return emit.operation("CAST", [_sum(emit, ones, replace(floats, shape=emit.output_spec().shape))])


@lowers(*_COUNTS, way="of truth values")
def count_truths(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REDUCE_SUM of SELECT."""
    return _counted(emit, emit.input("self"))


@lowers(*_COUNTS, way="compared")
def count_nonzero(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REDUCE_SUM of SELECT where the tensor is not zero."""
    x = emit.input("self")
    return _counted(emit, emit.operation("NOT_EQUAL", [x, emit.number(0.0, x)], truth_spec(emit.spec(x))))


def _numbers(emit: Emitter, x: OperandId) -> OperandId:
    """Where a tensor holds numbers: nan alone is not equal to itself."""
    return emit.operation("EQUAL", [x, x], truth_spec(emit.spec(x)))


def _sum_of_numbers(emit: Emitter, x: OperandId, truths: OperandId) -> OperandId:
    spec = emit.spec(x)
    zeros = emit.weight(full(spec.shape, 0.0, emit.node.type_of("self").dtype))
    return _sum(emit, emit.operation("SELECT", [truths, x, zeros], spec), emit.output_spec())


@lowers("aten.nansum.default", way="composed")
def nansum(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REDUCE_SUM with zeros in place of nan."""
    x = emit.input("self")
    return _sum_of_numbers(emit, x, _numbers(emit, x))


@lowers("aten.nanmean.default", way="composed")
def nanmean(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to REDUCE_SUM with zeros in place of nan, over the number of numbers."""
    x = emit.input("self")
    truths = _numbers(emit, x)
    ones = _chosen(emit, truths, node.type_of("self").dtype, emit.spec(x))
    return Elementwise(emit, x).div(_sum_of_numbers(emit, x, truths), _sum(emit, ones, emit.output_spec()))
