"""Ops that give back their input's numbers: the input's operand stands for the output."""

from __future__ import annotations

from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers


@lowers(
    "aten.dropout.default",
    "aten.feature_dropout.default",
    "aten.alpha_dropout.default",
    "aten.feature_alpha_dropout.default",
    way="identity",
)
def dropout(node: NodeReader, emit: Emitter) -> OperandId:
    """Emit nothing: in evaluation nothing is dropped."""
    return emit.input("input")


@lowers(
    "aten.alias.default",
    "aten.lift_fresh_copy.default",
    "aten.lift_fresh.default",
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.positive.default",
    "aten.resolve_conj.default",
    "aten.resolve_neg.default",
    way="identity",
)
def same(node: NodeReader, emit: Emitter) -> OperandId:
    """Emit nothing."""
    return emit.input("self")
