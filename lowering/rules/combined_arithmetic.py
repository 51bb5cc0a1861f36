"""Arithmetic of three operands, and divisions that round."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.graph import ElementType, Ref
from nnapi_check.lowering.compositions.elementwise import Elementwise, truncated, truth_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipe_types import broadcast
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import lowers

_HALFWAY = 0.5
"""From here on, PyTorch interpolates from the far end."""


def _joined(emit: Emitter, kind: str, left: OperandId, right: OperandId) -> OperandId:
    """An operation of two operands, in the shape to which the two of them broadcast."""
    shape = broadcast(emit.spec(left).shape, emit.spec(right).shape)
    return Elementwise(emit, left, replace(emit.spec(left), shape=shape)).fusible(kind, left, right)


@lowers("aten.addcmul.default", way="composed")
def addcmul(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL, MUL by the factor, and ADD."""
    return _added(emit, "MUL")


@lowers("aten.addcdiv.default", way="composed")
def addcdiv(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DIV, MUL by the factor, and ADD."""
    return _added(emit, "DIV")


def _added(emit: Emitter, kind: str) -> OperandId:
    found = _joined(emit, kind, emit.input("tensor1"), emit.input("tensor2"))
    scaled = Elementwise(emit, found, emit.spec(found)).scaled(found, emit.node.real("value"))
    return emit.operation("ADD", [emit.input("self"), scaled, emit.fuse()])


@lowers("aten.lerp.Scalar", way="composed")
def lerp(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the nearer end plus its share of the way to the other one."""
    near, far, share = emit.input("self"), emit.input("end"), node.real("weight")
    if abs(share) >= _HALFWAY:
        near, far, share = far, near, 1.0 - share
    away = Elementwise(emit, near, emit.spec(near)).negated(near)
    moved = Elementwise(emit, near).scaled(_joined(emit, "ADD", far, away), share)
    return emit.operation("ADD", [near, moved, emit.fuse()])


@lowers("aten.lerp.Tensor", way="composed")
def lerp_by_tensor(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to self + weight * (end - self), or from the other end where that is nearer, by SELECT."""
    start, end, weight = emit.input("self"), emit.input("end"), emit.input("weight")
    write, along = Elementwise(emit, start), Elementwise(emit, start, emit.spec(weight))
    truths = truth_spec(emit.output_spec())
    is_near = emit.operation("LESS", [along.of("ABS", weight), along.number(_HALFWAY)], truth_spec(emit.spec(weight)))
    wide = emit.weight(full(truths.shape, 0.0, ElementType.BOOL))
    is_near = emit.operation("LOGICAL_OR", [is_near, wide], truths)
    way = _joined(emit, "SUB", end, start)
    rest = along.shifted(along.negated(weight), 1.0)
    return write.of("SELECT", is_near, write.add(start, write.mul(weight, way)), write.sub(end, write.mul(rest, way)))


_DIVISIONS = ("aten.div.Tensor_mode", "aten.div.Scalar_mode")


def _quotient(emit: Emitter) -> OperandId:
    x = emit.input("self")
    return emit.operation("DIV", [x, emit.input_or_number("other", x), emit.fuse()])


@lowers(*_DIVISIONS, way="quotient")
def quotient(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DIV."""
    return _quotient(emit)


@lowers("aten.div.Scalar_mode", way="floor")
def rounded_down(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FLOOR of DIV."""
    return emit.operation("FLOOR", [_quotient(emit)])


@lowers(*_DIVISIONS, way="towards zero")
def rounded_to_zero(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DIV, truncated."""
    found = _quotient(emit)
    return truncated(Elementwise(emit, found), found)


@lowers("aten.remainder.Tensor", "aten.remainder.Scalar", way="whole numbers")
def remainder(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x - y * DIV(x, y)."""
    x = emit.input("self")
    y = emit.input_or_number("other", x)
    write = Elementwise(emit, x)
    return write.sub(x, write.mul(write.div(x, y), y))


@lowers("aten.fmod.Tensor", "aten.fmod.Scalar", way="whole numbers")
def fmod(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the remainder of the sizes, times the sign of x, which is x between -1 and 1.

    Both sizes are taken below zero, where the least whole number has one.
    """
    x = emit.input("self")
    write, along = Elementwise(emit, x), Elementwise(emit, x, emit.spec(x))
    size = _below_zero(along, x)
    if isinstance(node.argument("other"), Ref):
        y = emit.input("other")
        divisor = _below_zero(Elementwise(emit, y, emit.spec(y)), y)
    else:
        divisor = write.number(-abs(node.real("other")))
    sign = along.of("MAXIMUM", along.of("MINIMUM", x, write.number(1)), write.number(-1))
    rest = write.sub(write.mul(write.div(size, divisor), divisor), size)
    return write.mul(sign, rest)


def _below_zero(along: Elementwise, x: OperandId) -> OperandId:
    """-abs(x), for whole numbers."""
    return along.sub(along.of("MINIMUM", x, along.number(0)), along.of("MAXIMUM", x, along.number(0)))


@lowers("aten.fmod.Scalar", way="power of two")
def fmod_by_power_of_two(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x less the truncated quotient times the number: every step but the last is exact, and so is that."""
    x = emit.input("self")
    divisor = node.real("other")
    write = Elementwise(emit, x)
    return write.add(x, write.scaled(truncated(write, write.scaled(x, 1 / divisor)), -divisor))
