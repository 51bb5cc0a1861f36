"""What one operation must obey, given the types of its operands: its contract.

A contract depends on types alone, so operations of the same kind over the same types share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnapi_check.coverage_db.spec import OperandFacts, OperandType, OperationFacts, QuantRule, QuantRuleKind, Signature
from nnapi_check.lowering.nnapi.validation import readings
from nnapi_check.lowering.nnapi.validation.accepted_types import (
    Types,
    configuration_of,
    input_problems,
    names,
    output_problems,
)
from nnapi_check.lowering.nnapi.validation.faults import Demand, Problem, Rule
from nnapi_check.lowering.nnapi.validation.signatures import facts_at, input_counts, output_position, wanted_counts


@dataclass(frozen=True, slots=True)
class QuantCheck:
    """A quantization rule and the place of the operand that must obey it."""

    rule: QuantRule
    position: int
    is_output: bool


@dataclass(frozen=True, slots=True)
class RankCheck:
    """The accepted ranks of the operand at a place. ``other_since`` is the level of ranks outside ``from_start``."""

    position: int
    is_output: bool
    minimum: int
    maximum: int
    from_start: tuple[int, ...] = ()
    other_since: int = 1


@dataclass(frozen=True, slots=True)
class Contract:
    """What an operation of a kind must obey with these numbers and types of operands.

    ``problems`` are the rules that the types alone break. ``signature`` is None where no documented input
    list has this many inputs. ``main`` is the main operand's type, None for control flow.
    ``tensors`` are the inputs that have this type.
    """

    kind: str
    facts: OperationFacts
    signature: Signature | None
    main: OperandType | None
    problems: tuple[Problem, ...]
    demands: tuple[Demand, ...]
    roles: Mapping[str, int]
    may_lack_value: frozenset[int]
    ranks: tuple[RankCheck, ...]
    quant: tuple[QuantCheck, ...]
    tensors: tuple[int, ...]


HIGHEST_RANK = 100
"""More than any rank, where no highest rank is documented."""


def conclude(facts: OperationFacts, inputs: Types, outputs: Types) -> Contract:
    """The contract of an operation with these types of inputs and outputs."""
    count = len(inputs)
    signatures = [signature for signature in facts.signatures if count in input_counts(facts, signature, count)]
    problems: list[Problem] = []
    if not signatures:
        problems.append(Problem(Rule.INPUT_COUNT, f"{count} inputs", f"{wanted_counts(facts)} inputs"))
    if facts.output_counts and len(outputs) not in dict(facts.output_counts):
        wanted = " or ".join(str(count) for count, _ in facts.output_counts)
        problems.append(Problem(Rule.OUTPUT_COUNT, f"{len(outputs)} outputs", f"{wanted} outputs"))
    if not outputs:
        problems.append(Problem(Rule.OUTPUT_COUNT, "no outputs", "at least one output"))
    if problems:
        return _hopeless(facts, tuple(problems))
    main = _main_type(facts, inputs, outputs)
    if main is None or facts.main_kind is None:
        return _without_types(facts, signatures[0], inputs, outputs)
    matches = [_match(facts, signature, main, inputs, outputs) for signature in signatures]
    return min(matches, key=lambda match: len(match.problems))


def _hopeless(facts: OperationFacts, problems: tuple[Problem, ...]) -> Contract:
    demands = (Demand(facts.since, facts.name),)
    return Contract(facts.name, facts, None, None, problems, demands, {}, frozenset(), (), (), ())


def _operand_demands(kinds: Types) -> list[Demand]:
    return [
        Demand(readings.OPERAND_TYPE_SINCE[kind], f"an operand of type {kind.name}") for kind in dict.fromkeys(kinds)
    ]


def _without_types(facts: OperationFacts, signature: Signature, inputs: Types, outputs: Types) -> Contract:
    """The contract of control flow, whose operands may have any type beyond the documented ones."""
    problems = []
    for position, found in enumerate(inputs):
        operand = facts_at(signature.inputs, position, len(inputs))
        if operand is not None and operand.type is not None and found is not operand.type:
            problems.append(Problem(Rule.INPUT_TYPE, found.name, operand.type.name, position))
    demands = (Demand(facts.since, facts.name), *_operand_demands((*inputs, *outputs)))
    return Contract(facts.name, facts, signature, None, tuple(problems), demands, {}, frozenset(), (), (), ())


def _main_type(facts: OperationFacts, inputs: Types, outputs: Types) -> OperandType | None:
    operands = outputs if facts.main_kind == "output" else inputs
    index = facts.main_index or 0
    return operands[index] if index < len(operands) else None


def _match(facts: OperationFacts, signature: Signature, main: OperandType, inputs: Types, outputs: Types) -> Contract:
    since = dict(facts.types) | dict(facts.same_type_only)
    count = len(inputs)
    is_main_output = facts.main_kind == "output"
    main_index = facts.main_index or 0
    problems: list[Problem] = []
    demands = _signature_demands(facts, signature, inputs, outputs) + _operand_demands((*inputs, *outputs))
    configuration = configuration_of(facts, main, inputs)
    if main in since:
        if since[main] > facts.since:
            demands.append(Demand(since[main], f"{facts.name} of {main.name}"))
        problems.extend(input_problems(facts, signature, main, inputs, configuration))
        problems.extend(output_problems(facts, main, outputs))
    else:
        wanted = names(tuple(since))
        problems.append(Problem(Rule.ELEMENT_TYPE, main.name, wanted, main_index, is_main_output))
    if configuration is not None:
        demands.append(Demand(configuration.since, f"{facts.name} with a filter of {configuration.filter.name}"))
    demands.extend(
        Demand(dict(facts.output_types)[kind], f"{facts.name} to {kind.name}")
        for kind in outputs
        if kind in dict(facts.output_types)
    )
    roles = {operand.role: operand.index for operand in signature.inputs if operand.role and operand.index is not None}
    roles = {role: index for role, index in roles.items() if index < count}
    last = signature.inputs[-1]
    if last.is_last and last.role is not None:
        roles[last.role] = count - 1
    tensors = tuple(position for position, kind in enumerate(inputs) if kind is main)
    return Contract(
        kind=facts.name,
        facts=facts,
        signature=signature,
        main=main,
        problems=tuple(problems),
        demands=tuple(demands),
        roles=roles,
        may_lack_value=_may_lack_value(facts, signature, count),
        ranks=_rank_checks(facts, signature, inputs, outputs),
        quant=_quant_checks(facts, signature, main, inputs, outputs),
        tensors=tensors,
    )


def _signature_demands(facts: OperationFacts, signature: Signature, inputs: Types, outputs: Types) -> list[Demand]:
    """What demands a level in an operation's own signature, where it is above that of the operation."""
    demands = [Demand(facts.since, facts.name)]
    count = len(inputs)
    if signature.since > facts.since:
        demands.append(Demand(signature.since, f"{facts.name} with {signature.name}"))
    for operand in signature.inputs:
        if operand.index is not None and operand.index < count and operand.since > signature.since:
            name = (operand.role or f"input {operand.index}").replace("_", " ")
            demands.append(Demand(operand.since, f"{facts.name} with {name}"))
    known = max(demand.level for demand in demands)
    counts = (
        (input_counts(facts, signature, count).get(count, facts.since), f"{facts.name} with {count} inputs"),
        (dict(facts.output_counts).get(len(outputs), facts.since), f"{facts.name} with {len(outputs)} outputs"),
    )
    return demands + [Demand(since, what) for since, what in counts if since > known]


def _may_lack_value(facts: OperationFacts, signature: Signature, count: int) -> frozenset[int]:
    """Optional inputs that are given as operands without value, apart from those that are left out."""
    counts = input_counts(facts, signature, count)
    fewest = min(counts, default=count)
    documented = {
        operand.index
        for operand in signature.inputs
        if operand.optional and operand.index is not None and operand.index < fewest and operand.default is None
    }
    allowed = documented | readings.MAY_LACK_VALUE.get(facts.name, frozenset())
    needed = readings.NEEDS_VALUE.get(facts.name, frozenset())
    return frozenset(position for position in allowed - needed if position < count)


def _rank_checks(facts: OperationFacts, signature: Signature, inputs: Types, outputs: Types) -> tuple[RankCheck, ...]:
    checks: list[RankCheck] = []
    for position, kind in enumerate(inputs):
        operand = facts_at(signature.inputs, position, len(inputs))
        if kind.is_tensor and operand is not None:
            is_main = facts.main_kind == "input" and position == facts.main_index
            follows = operand.span is not None or (facts.broadcasts and position == 1)
            checks.extend(_rank_check(facts, operand, position, is_main=is_main or follows, is_output=False))
    for position, kind in enumerate(outputs):
        documented = output_position(facts.name, position, len(outputs))
        operand = facts_at(facts.outputs, documented, len(outputs))
        if kind.is_tensor and operand is not None:
            is_main = facts.main_kind == "output" and position == facts.main_index
            checks.extend(_rank_check(facts, operand, position, is_main=is_main, is_output=True))
    return tuple(checks)


def _rank_check(
    facts: OperationFacts, operand: OperandFacts, position: int, *, is_main: bool, is_output: bool
) -> list[RankCheck]:
    if operand.rank is not None:
        return [RankCheck(position, is_output, operand.rank, operand.rank)]
    if facts.rank is None or not is_main:
        return []
    lowest = facts.rank.min or 1
    highest = facts.rank.max or HIGHEST_RANK
    since = facts.rank.other_since or 1
    return [RankCheck(position, is_output, lowest, highest, facts.rank.from_start, since)]


def _quant_checks(
    facts: OperationFacts, signature: Signature, main: OperandType, inputs: Types, outputs: Types
) -> tuple[QuantCheck, ...]:
    checks: list[QuantCheck] = []
    for position, kind in enumerate(inputs):
        operand = facts_at(signature.inputs, position, len(inputs))
        if operand is not None:
            documented = operand.quant or _from_other_signature(facts, operand)
            rules = readings.quant_rules(facts.name, False, position, documented)
            checks.extend(QuantCheck(rule, position, False) for rule in _binding(rules, kind, main, inputs))
    for position, kind in enumerate(outputs):
        documented_position = output_position(facts.name, position, len(outputs))
        operand = facts_at(facts.outputs, documented_position, len(outputs))
        if operand is not None:
            rules = readings.quant_rules(facts.name, True, position, operand.quant)
            checks.extend(QuantCheck(rule, position, True) for rule in _binding(rules, kind, main, inputs))
    return tuple(checks)


def _from_other_signature(facts: OperationFacts, operand: OperandFacts) -> tuple[QuantRule, ...]:
    """The rules that another input list of the operation states for the same role."""
    if operand.role is None:
        return ()
    for signature in facts.signatures:
        for other in signature.inputs:
            if other.role == operand.role and other.quant:
                return other.quant
    return ()


def _binding(rules: tuple[QuantRule, ...], kind: OperandType, main: OperandType, inputs: Types) -> list[QuantRule]:
    return [
        rule
        for rule in rules
        if kind in rule.types
        and rule.kind is not QuantRuleKind.FREE
        and (not rule.when_main or main in rule.when_main)
        and (not rule.when_filter or (len(inputs) > 1 and inputs[1] in rule.when_filter))
    ]
