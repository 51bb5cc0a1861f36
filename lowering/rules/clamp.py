"""Clamps: activations of a fixed range, MAXIMUM and MINIMUM, or sums around an activation."""

from __future__ import annotations

from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import Rule, lowers


def _one_operation(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        return emit.operation(kind, [emit.input("self")])

    return rule


lowers("aten.hardtanh.default", "aten.clamp.default", way="zero to six")(_one_operation("RELU6"))
lowers("aten.hardtanh.default", "aten.clamp.default", way="one around zero")(_one_operation("RELU1"))
lowers("aten.clamp.default", "aten.clamp_min.default", way="from zero")(_one_operation("RELU"))


@lowers("aten.hardtanh.default", way="bounded")
def hardtanh(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAXIMUM and MINIMUM."""
    return _bounded(emit, node.real("min_val"), node.real("max_val"))


@lowers("aten.clamp.default", way="bounded")
def clamp(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAXIMUM and MINIMUM."""
    return _bounded(emit, node.real("min"), node.real("max"))


def _bounded(emit: Emitter, low: float, high: float) -> OperandId:
    # In this order the upper bound wins where the bounds cross, as it does in PyTorch.
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.of("MINIMUM", write.of("MAXIMUM", x, write.number(low)), write.number(high))


@lowers("aten.clamp.default", "aten.clamp_min.default", way="bounded below")
def clamp_min(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAXIMUM."""
    x = emit.input("self")
    return emit.operation("MAXIMUM", [x, emit.number(node.real("min"), x)])


@lowers("aten.clamp.default", "aten.clamp_max.default", way="bounded above")
def clamp_max(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MINIMUM."""
    x = emit.input("self")
    return emit.operation("MINIMUM", [x, emit.number(node.real("max"), x)])


@lowers("aten.hardtanh.default", way="scaled")
def scaled_hardtanh(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU1 of a range that is scaled and shifted to -1 and 1."""
    return _scaled(emit, node.real("min_val"), node.real("max_val"))


@lowers("aten.clamp.default", way="scaled")
def scaled_clamp(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU1 of a range that is scaled and shifted to -1 and 1."""
    return _scaled(emit, node.real("min"), node.real("max"))


def _scaled(emit: Emitter, low: float, high: float) -> OperandId:
    x = emit.input("self")
    write = Elementwise(emit, x)
    middle, half = (low + high) / 2, (high - low) / 2
    within = write.of("RELU1", write.scaled(write.shifted(x, -middle), 1 / half))
    return write.shifted(write.scaled(within, half), middle)


@lowers("aten.clamp.default", "aten.clamp_min.default", way="shifted")
def shifted_clamp(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x - min) + min."""
    x, low = emit.input("self"), node.real("min")
    write = Elementwise(emit, x)
    return write.shifted(write.of("RELU", write.shifted(x, -low)), low)


@lowers("aten.clamp.default", "aten.clamp_max.default", way="mirrored")
def mirrored_clamp(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to max - RELU(max - x)."""
    x, high = emit.input("self"), node.real("max")
    write = Elementwise(emit, x)
    return write.shifted(write.negated(write.of("RELU", write.shifted(write.negated(x), high))), high)
