"""Comparisons, logic of truth values, and choices between two tensors."""

from __future__ import annotations

import math
from dataclasses import replace

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.elementwise import Elementwise, full_like, truth_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipe_types import broadcast
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import Rule, lowers

_COMPARISONS = {
    "eq": "EQUAL",
    "ne": "NOT_EQUAL",
    "gt": "GREATER",
    "ge": "GREATER_EQUAL",
    "lt": "LESS",
    "le": "LESS_EQUAL",
}
_CONNECTIVES = {
    "aten.logical_and.default": "LOGICAL_AND",
    "aten.__and__.Tensor": "LOGICAL_AND",
    "aten.bitwise_and.Tensor": "LOGICAL_AND",
    "aten.logical_or.default": "LOGICAL_OR",
    "aten.__or__.Tensor": "LOGICAL_OR",
    "aten.bitwise_or.Tensor": "LOGICAL_OR",
    "aten.logical_xor.default": "NOT_EQUAL",
    "aten.__xor__.Tensor": "NOT_EQUAL",
    "aten.bitwise_xor.Tensor": "NOT_EQUAL",
}


def _of_two(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        x = emit.input("self")
        return emit.operation(kind, [x, emit.input_or_number("other", x)])

    return rule


for _name, _kind in _COMPARISONS.items():
    lowers(f"aten.{_name}.Tensor", f"aten.{_name}.Scalar", way="operation")(_of_two(_kind))
for _op, _kind in _CONNECTIVES.items():
    lowers(_op, way="operation")(_of_two(_kind))


@lowers("aten.logical_not.default", "aten.bitwise_not.default", way="operation")
def logical_not(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOGICAL_NOT."""
    return emit.operation("LOGICAL_NOT", [emit.input("self")])


@lowers("aten.where.self", way="operation")
def where(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT."""
    return emit.operation("SELECT", [emit.input("condition"), emit.input("self"), emit.input("other")])


@lowers("aten.where.self", way="widened")
def widened_where(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT of three tensors that are widened to the output's shape."""
    return emit.operation("SELECT", [_wide_truths(emit, "condition"), _wide(emit, "self"), _wide(emit, "other")])


@lowers("aten.where.ScalarOther", way="widened")
def where_else_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between the tensor and a number, the condition widened."""
    other = full_like(emit, node.real("other"))
    return emit.operation("SELECT", [_wide_truths(emit, "condition"), _spread(emit, "self"), other])


@lowers("aten.where.ScalarSelf", way="widened")
def where_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between a number and the tensor, the condition widened."""
    number = full_like(emit, node.real("self"))
    return emit.operation("SELECT", [_wide_truths(emit, "condition"), number, _spread(emit, "other")])


@lowers("aten.masked_fill.Scalar", way="operation")
def masked_fill(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between a number and the tensor."""
    return emit.operation("SELECT", [emit.input("mask"), full_like(emit, node.real("value")), emit.input("self")])


@lowers("aten.masked_fill.Scalar", way="widened")
def widened_masked_fill(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between a number and the tensor, the mask widened."""
    number = full_like(emit, node.real("value"))
    return emit.operation("SELECT", [_wide_truths(emit, "mask"), number, emit.input("self")])


def _spread(emit: Emitter, name: str) -> OperandId:
    """A tensor of the output's shape; a smaller one is a constant, which is repeated when the model is loaded."""
    node = emit.node
    shape = node.output_type().shape
    if not node.is_constant(name) or node.type_of(name).shape == shape:
        return emit.input(name)
    return emit.weight(node.placed(node.constant(name).expand(*shape)))


def _wide_truths(emit: Emitter, name: str) -> OperandId:
    """Truth values in the output's shape: LOGICAL_OR with false broadcasts them."""
    spec = truth_spec(emit.output_spec())
    nowhere = emit.weight(full(spec.shape, 0.0, ElementType.BOOL))
    return emit.operation("LOGICAL_OR", [emit.input(name), nowhere], spec)


def _wide(emit: Emitter, name: str) -> OperandId:
    """A tensor or number in the output's shape: ADD of zeros broadcasts it."""
    zeros = full_like(emit, 0.0)
    return emit.operation("ADD", [emit.input_or_number(name, zeros), zeros, emit.fuse()])


@lowers("aten.threshold.default", way="composed")
def threshold(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT by LESS_EQUAL, which NaN is not."""
    x = emit.input("self")
    limit = emit.number(node.real("threshold"), x)
    is_below = emit.operation("LESS_EQUAL", [x, limit], truth_spec(emit.output_spec()))
    return emit.operation("SELECT", [is_below, full_like(emit, node.real("value")), x])


@lowers("aten.hardshrink.default", way="composed")
def hardshrink(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT by LESS_EQUAL of the absolute value, which NaN is not."""
    x = emit.input("self")
    size = Elementwise(emit, x).of("ABS", x)
    limit = emit.number(node.real("lambd"), x)
    is_small = emit.operation("LESS_EQUAL", [size, limit], truth_spec(emit.output_spec()))
    return emit.operation("SELECT", [is_small, full_like(emit, 0.0), x])


@lowers("aten.where.Scalar", way="operation")
def where_numbers(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between two numbers."""
    numbers = [full_like(emit, node.real(name)) for name in ("self", "other")]
    return emit.operation("SELECT", [emit.input("condition"), *numbers])


@lowers("aten.isnan.default", way="composed")
def isnan(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to NOT_EQUAL with itself."""
    x = emit.input("self")
    return emit.operation("NOT_EQUAL", [x, x])


@lowers("aten.isinf.default", way="composed")
def isinf(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to EQUAL of the absolute value with infinity."""
    return _sized(emit, "EQUAL")


@lowers("aten.isfinite.default", way="composed")
def isfinite(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LESS of the absolute value with infinity."""
    return _sized(emit, "LESS")


def _sized(emit: Emitter, kind: str) -> OperandId:
    x = emit.input("self")
    return emit.operation(kind, [emit.operation("ABS", [x], emit.spec(x)), emit.number(math.inf, x)])


@lowers("aten.clamp_min.Tensor", way="operation")
@lowers("aten.clamp.Tensor", way="bounded below")
def bounded_below(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAXIMUM."""
    return emit.operation("MAXIMUM", [emit.input("self"), emit.input("min")])


@lowers("aten.clamp_max.Tensor", way="operation")
@lowers("aten.clamp.Tensor", way="bounded above")
def bounded_above(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MINIMUM."""
    return emit.operation("MINIMUM", [emit.input("self"), emit.input("max")])


@lowers("aten.clamp.Tensor", way="both bounds")
def bounded(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAXIMUM and MINIMUM."""
    x, low = emit.input("self"), emit.input("min")
    shape = broadcast(emit.spec(x).shape, emit.spec(low).shape)
    above = emit.operation("MAXIMUM", [x, low], replace(emit.spec(x), shape=shape))
    return emit.operation("MINIMUM", [above, emit.input("max")])
