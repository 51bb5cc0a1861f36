"""What a way computes in: stored integers, or floats. It says so by the operations that it emits and their types."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from nnapi_check.analyzer.graph import Node, NodeOutput, TensorType, ValueType
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.spec import OperandType

CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})
"""The operations that only lead from floats to stored integers, and back."""

FLOATS = frozenset({OperandType.TENSOR_FLOAT32, OperandType.TENSOR_FLOAT16})


class Arithmetic(Enum):
    """What numbers a way computes with."""

    INTEGERS = "integers"
    FLOATS = "floats"
    NONE = "none"  # it emits nothing, or only leads from the one to the other


def arithmetic(emitted: Iterable[tuple[str, OperandType | None]]) -> Arithmetic:
    """What operations compute in, each given with the type of its main operand: floats, where one of them does."""
    types = [kind for operation, kind in emitted if operation not in CONVERSIONS]
    if not types:
        return Arithmetic.NONE
    return Arithmetic.FLOATS if any(kind in FLOATS for kind in types) else Arithmetic.INTEGERS


def takes_quantized(node: Node, uses: Uses) -> bool:
    """Whether a call reads a quantized tensor, its weights included."""
    return any(is_quantized(uses.graph.values[value].type) for value in node.inputs())


class StandsFor(Enum):
    """What a call on floats is of, where exported programs write calls on integers so: of weights that are integers."""

    INTEGERS = "dequantized tensors"
    ROUNDED = "tensors that are rounded to steps, some at least as no quantized tensor is"
    FLOATS = "anything else"


def stands_for(node: Node, uses: Uses) -> StandsFor:
    """What a call on floats reads besides its weights, if these are dequantized."""
    constants = {value for value in node.inputs() if uses.graph.values[value].is_constant}
    others = set(node.inputs()) - constants
    if not others or not any(_is_dequantized(value, uses) for value in constants):
        return StandsFor.FLOATS
    if all(_is_dequantized(value, uses) for value in others):
        return StandsFor.INTEGERS
    is_rounded = all(value in uses.rounded or _is_dequantized(value, uses) for value in others)
    return StandsFor.ROUNDED if is_rounded else StandsFor.FLOATS


def _is_dequantized(value: int, uses: Uses) -> bool:
    origin = uses.graph.values[value].origin
    maker = uses.nodes.get(origin.node) if isinstance(origin, NodeOutput) else None
    return maker is not None and maker.op == "aten.dequantize.self"


def is_quantized(kind: ValueType) -> bool:
    """Whether a value is a quantized tensor."""
    return isinstance(kind, TensorType) and kind.is_quantized
