"""A plan's parts as validated NNAPI models, as far as a check goes, and what of them a device refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Protocol

from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.device_profile import DeviceProfile
from nnapi_check.coverage_db.queries import UnknownNameError
from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.lowering.emission.rule_table import Rulebook, rules
from nnapi_check.lowering.nnapi.model import Model, Operation
from nnapi_check.lowering.part_lowering import LoweredPart, PlannedGraph, lower_part


class Facts(Protocol):
    """What lowering reads of the registry."""

    def operation(self, name: str) -> OperationFacts:
        """The facts of an NNAPI operation."""

    def operations(self) -> tuple[OperationFacts, ...]:
        """The facts of every NNAPI operation."""


class FactsByName(Mapping[str, OperationFacts]):
    """The registry's operations as a mapping that reads only what is asked for."""

    def __init__(self, registry: Facts) -> None:
        self._registry = registry

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(facts.name for facts in self._registry.operations())

    def __getitem__(self, name: str) -> OperationFacts:
        try:
            return self._registry.operation(name)
        except UnknownNameError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def lower_plan(survey: Survey, plan: Plan, facts: Mapping[str, OperationFacts]) -> tuple[LoweredPart, ...]:
    """Lower and validate every part of a plan. No weight is read."""
    parts = plan.partition.parts
    planned = PlannedGraph(survey.graph, plan.verdicts, plan.layout, plan.factors)
    families = {plan.verdicts[node].family for part in parts for node in part.nodes}
    rulebook = Rulebook(rules(family for family in families if family), facts)
    return tuple(lower_part(part, planned, rulebook) for part in parts)


def refused_nodes(
    lowered: Sequence[LoweredPart], profile: DeviceProfile, facts: Mapping[str, OperationFacts]
) -> dict[int, tuple[str, OperandType | None]]:
    """The nodes for which an operation was emitted that the device refuses, each with one such operation."""
    found: dict[int, tuple[str, OperandType | None]] = {}
    for part in lowered:
        models = zip((part.model, *part.model.referenced), (part.node_of, *part.inner_node_of), strict=True)
        for model, nodes in models:
            for operation, node in zip(model.operations, nodes, strict=True):
                kind = main_type(operation, model, facts)
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
