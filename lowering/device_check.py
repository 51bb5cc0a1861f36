"""Lowered models checked against a device's profile: also operations that no way names, such as changes of layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnapi_check.coverage_db.device_profile import DeviceProfile
from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.lowering.nnapi.model import Model, Operation
from nnapi_check.lowering.part_lowering import LoweredPart


def refused_nodes(
    lowered: Sequence[LoweredPart], profile: DeviceProfile, facts: Mapping[str, OperationFacts]
) -> dict[int, tuple[str, OperandType | None]]:
    """The nodes for which an operation was emitted that the device refuses, each with one such operation."""
    found: dict[int, tuple[str, OperandType | None]] = {}
    for part in lowered:
        for operation, node in zip(part.model.operations, part.node_of, strict=True):
            kind = main_type(operation, part.model, facts)
            if profile.refuses(operation.kind, kind):
                found.setdefault(node, (operation.kind, kind))
    return found


def main_type(operation: Operation, model: Model, facts: Mapping[str, OperationFacts]) -> OperandType | None:
    """The type of an operation's main operand; None where it has none."""
    known = facts[operation.kind]
    if known.main_index is None:
        return None
    operands = operation.outputs if known.main_kind == "output" else operation.inputs
    return model.operands[operands[known.main_index]].type
