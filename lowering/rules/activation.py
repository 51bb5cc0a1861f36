"""Activations: one operation, or a few, in whichever layout their input has."""

from __future__ import annotations

from analyzer.graph import Node
from lowering.draft import OperandId
from lowering.emitter import Emitter
from lowering.registry import lowers


@lowers("aten.relu.default", way="operation")
def relu(node: Node, emit: Emitter) -> OperandId:
    """Lower to RELU."""
    return emit.operation("RELU", [emit.input("self")])
