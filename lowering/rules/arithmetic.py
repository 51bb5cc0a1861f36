"""Elementwise arithmetic of two operands, either of which may be a number."""

from __future__ import annotations

import math
from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import Rule, lowers

_OPERATIONS = {
    "aten.add.Tensor": "ADD",
    "aten.add.Scalar": "ADD",
    "aten.sub.Tensor": "SUB",
    "aten.sub.Scalar": "SUB",
    "aten.mul.Tensor": "MUL",
    "aten.mul.Scalar": "MUL",
    "aten.div.Tensor": "DIV",
    "aten.div.Scalar": "DIV",
}
_EXTREMES = {
    "aten.maximum.default": "MAXIMUM",
    "aten.max.other": "MAXIMUM",
    "aten.minimum.default": "MINIMUM",
    "aten.min.other": "MINIMUM",
}


def _operands(emit: Emitter) -> tuple[OperandId, OperandId]:
    x = emit.input("self")
    return x, emit.input_or_number("other", x)


def _arithmetic(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        return emit.operation(kind, [*_operands(emit), emit.fuse()])

    return rule


def _promoted(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        x = _as_output(emit, emit.input("self"))
        y = _as_output(emit, emit.input_or_number("other", x))
        return emit.operation(kind, [x, y, emit.fuse()])

    return rule


def _as_output(emit: Emitter, operand: OperandId) -> OperandId:
    """An operand in the element type of the node's output."""
    spec, wanted = emit.spec(operand), emit.output_spec()
    if spec.type is wanted.type:
        return operand
    return emit.operation("CAST", [operand], replace(spec, type=wanted.type))


def _with_truth_values(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        x = _as_number(emit, emit.input("self"))
        y = _as_number(emit, emit.input_or_number("other", x))
        return emit.operation(kind, [x, y, emit.fuse()])

    return rule


def _as_number(emit: Emitter, operand: OperandId) -> OperandId:
    """Truth values as ones and zeros in the element type of the node's output; numbers as they are."""
    spec = emit.spec(operand)
    if spec.type is not OperandType.TENSOR_BOOL8:
        return operand
    one, zero = (emit.weight(full(spec.shape, number, emit.node.output_type().dtype)) for number in (1.0, 0.0))
    return emit.operation("SELECT", [operand, one, zero], replace(emit.output_spec(), shape=spec.shape))


def _extreme(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        return emit.operation(kind, _operands(emit))

    return rule


for _op, _kind in _OPERATIONS.items():
    lowers(_op, way="operation")(_arithmetic(_kind))
    lowers(_op, way="promoted")(_promoted(_kind))
for _op in ("aten.add.Tensor", "aten.mul.Tensor"):
    lowers(_op, way="truth values")(_with_truth_values(_OPERATIONS[_op]))
for _op, _kind in _EXTREMES.items():
    lowers(_op, way="operation")(_extreme(_kind))


@lowers("aten.add.Tensor", way="scaled")
def add_scaled(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x + alpha * y."""
    return _sum(emit, node.real("alpha"))


@lowers("aten.sub.Tensor", way="sum")
def sub_as_sum(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x + (-alpha) * y."""
    return _sum(emit, -node.real("alpha"))


def _sum(emit: Emitter, factor: float) -> OperandId:
    x, y = _operands(emit)
    scaled = emit.operation("MUL", [y, emit.number(factor, x), emit.fuse()], emit.spec(y))
    return emit.operation("ADD", [x, scaled, emit.fuse()])


@lowers("aten.add.Scalar", way="scaled")
def add_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ADD of a number, alpha multiplied into it."""
    x = emit.input("self")
    return Elementwise(emit, x).shifted(x, node.real("alpha") * node.real("other"))


@lowers("aten.sub.Scalar", way="sum")
def sub_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to ADD of the negative number, alpha multiplied into it."""
    x = emit.input("self")
    return Elementwise(emit, x).shifted(x, -node.real("alpha") * node.real("other"))


@lowers("aten.div.Scalar", way="reciprocal")
def div_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL by one over the number."""
    x = emit.input("self")
    return Elementwise(emit, x).scaled(x, _inverse(node.real("other")))


@lowers("aten.div.Tensor", way="reciprocal")
def div_constant(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL by one over the constant."""
    x = emit.input("self")
    return emit.operation("MUL", [x, _reciprocal(emit, x), emit.fuse()])


def _reciprocal(emit: Emitter, like: OperandId) -> OperandId:
    if emit.node.is_constant("other"):
        return emit.weight(emit.node.placed(emit.node.constant("other").reciprocal()))
    return emit.number(_inverse(emit.node.real("other")), like)


def _inverse(number: float) -> float:
    """One over a number, infinite for zero as PyTorch has it."""
    return 1.0 / number if number else math.copysign(math.inf, number)


@lowers("aten.rsub.Scalar", way="operation")
def rsub(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SUB with its operands exchanged."""
    x, y = _operands(emit)
    return emit.operation("SUB", [y, x, emit.fuse()])


@lowers("aten.rsub.Scalar", way="sum")
def rsub_as_sum(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to y + (-alpha) * x."""
    x, y = _operands(emit)
    scaled = emit.operation("MUL", [x, emit.number(-node.real("alpha"), x), emit.fuse()], emit.spec(x))
    return emit.operation("ADD", [scaled, y, emit.fuse()])


@lowers("aten.floor_divide.default", "aten.floor_divide.Scalar", way="operation")
def floor_divide_integers(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DIV, which rounds whole numbers down."""
    return emit.operation("DIV", [*_operands(emit), emit.fuse()])
