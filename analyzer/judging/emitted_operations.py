"""Whether NNAPI has the operations that a way emits in the types of a node's tensors, and from which level on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Node, Ref, RefList, TensorType
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.nnapi_types import MAX_RANK, copying_operation, operand_type
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Emission, Way
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.coverage_db.targets import Target
from nnapi_check.coverage_db.way_levels import Operations, role_since


@dataclass(frozen=True, slots=True)
class EmittedOperations:
    """The lowest level that has those operations of a way that there are, and why others are not."""

    level: int
    failures: tuple[Failure, ...]


def emitted_operations(way: Way, node: Node, uses: Uses, operations: Operations, target: Target) -> EmittedOperations:
    """The operations of a way for a node, as far as the types that they take say so."""
    failures = list(_not_carried(way, target))
    level = 1 if way.emits else _copy_level(node, uses, operations)
    for emission in way.emits:
        found = _emission_level(emission, node, uses, operations)
        if isinstance(found, str):
            failures.append(_type_refused(way, operations.operation(emission.operation), found))
        else:
            level = max(level, found)
    return EmittedOperations(level, tuple(failures))


def _copy_level(node: Node, uses: Uses, operations: Operations) -> int:
    """The level of a copy of the output, which a way that emits nothing needs where the output leaves its part."""
    kind = uses.graph.tensor_type(node.outputs[0])
    found = None if kind is None else operand_type(kind)
    if found is None:
        return 1
    facts = operations.operation(copying_operation(found))
    return max(facts.since, facts.type_since(found) or 1)


def _emission_level(emission: Emission, node: Node, uses: Uses, operations: Operations) -> int | str:
    """The lowest level that has the operation for this node's types; the refused type's name where none has."""
    facts = operations.operation(emission.operation)
    tensor = _main_tensor(emission, node, uses)
    main = emitted_type(emission, node, uses)
    level = facts.since
    if main is not None and facts.types:
        since = facts.type_since(main)
        if since is None:
            return main.name
        level = max(level, since)
    if emission.roles:
        level = max(level, *(role_since(facts, role) for role in emission.roles))
    if emission.filter is not None:
        matching = [
            found.since for found in facts.configurations if found.input is main and found.filter is emission.filter
        ]
        if not matching:
            return f"{main.name if main else 'no type'} with a filter of {emission.filter.name}"
        level = max(level, min(matching))
    rank = facts.rank
    if rank is None or rank.other_since is None or tensor is None or min(tensor.rank, MAX_RANK) in rank.from_start:
        return level
    return max(level, rank.other_since)


def emitted_type(emission: Emission, node: Node, uses: Uses) -> OperandType | None:
    """The type of the main operand of an emitted operation, or None where NNAPI has no such type."""
    if emission.type is not None:
        return emission.type
    tensor = _main_tensor(emission, node, uses)
    return None if tensor is None else operand_type(tensor)


def _main_tensor(emission: Emission, node: Node, uses: Uses) -> TensorType | None:
    if emission.type is not None and not emission.of:
        # The rule makes the operand itself, in a rank that the operation always had.
        return None
    value = _main_value(emission.of, node)
    return None if value is None else uses.graph.tensor_type(value)


def _main_value(of: str, node: Node) -> int | None:
    if of == "output":
        return node.outputs[0]
    if not of:
        return next(iter(node.inputs()), None)
    match node.arguments.get(of):
        case Ref(value):
            return value
        case RefList(values):
            return next((value for value in values if value is not None), None)
        case _:
            raise CardError(f"{node.op}: `of` names {of!r}, which is not one of its tensors")


def _not_carried(way: Way, target: Target) -> Iterator[Failure]:
    if target.carries_channel_params:
        return
    for emission in way.emits:
        if emission.filter is OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL:
            yield Failure(
                reason="NNC801",
                requirement="carried-scales",
                way=way.name,
                found=f"{emission.operation} with a scale for each channel",
                wanted="a target that carries one scale for each channel",
                because=f"{target.title} cannot carry one scale for each channel.",
                fix="Pass --target ndk, which carries them, where one NNAPI model holds everything.",
            )


def _type_refused(way: Way, facts: OperationFacts, found: str) -> Failure:
    return Failure(
        reason="NNC301",
        requirement="element-type",
        way=way.name,
        found=f"{facts.name} would get {found}",
        wanted=", ".join(kind.name for kind, _ in facts.types),
        because=f"{facts.name} does not take this element type at any level.",
        fix="Convert the tensor to one of these types before the op.",
    )


def result_refused(way: Way, node: Node, uses: Uses, operations: Operations) -> Iterator[Failure]:
    """Operations that give the type that they take cannot compute an op that gives another, as PyTorch's roots do."""
    emitted = [operations.operation(emission.operation) for emission in way.emits]
    plain = all(not emission.of and emission.type is None for emission in way.emits)
    if not (emitted and plain and all(facts.keeps_type for facts in emitted)):
        return
    kept = emitted_type(way.emits[0], node, uses)
    kind = uses.graph.tensor_type(node.outputs[0])
    wanted = None if kind is None else operand_type(kind)
    if kept is None or wanted is None or kept is wanted:
        return
    names = ", ".join(facts.name for facts in dict.fromkeys(emitted))
    yield Failure(
        reason="NNC301",
        requirement="element-type",
        way=way.name,
        found=f"{names} would give {kept.name}",
        wanted=f"{wanted.name}, which {node.op} gives",
        because="What it emits gives the element type that it takes.",
        fix="Convert the tensor to the element type of the result before the op.",
    )
