"""Operations one by one: signature, types, values, ranks, quantization, shapes, level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nnapi_check.lowering.nnapi.shapes.detection
import nnapi_check.lowering.nnapi.shapes.element_moves
import nnapi_check.lowering.nnapi.shapes.elementwise
import nnapi_check.lowering.nnapi.shapes.recurrent
import nnapi_check.lowering.nnapi.shapes.slices
import nnapi_check.lowering.nnapi.shapes.windows  # noqa: F401  (these imports fill the table of inferences)
from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.lowering.nnapi.model import Operand, Operation, Shape, UnknownRank, Unspecified
from nnapi_check.lowering.nnapi.shapes.shapes import INFERENCES, ShapeCall, compatible, merged, text
from nnapi_check.lowering.nnapi.validation.contracts import HIGHEST_RANK, Contract, RankCheck, conclude
from nnapi_check.lowering.nnapi.validation.control_flow import control_flow_problems, control_flow_shapes
from nnapi_check.lowering.nnapi.validation.faults import Demand, OperationLevel, Problem, Rule
from nnapi_check.lowering.nnapi.validation.graph_view import RANK_LEFT_OPEN, GraphView
from nnapi_check.lowering.nnapi.validation.level import highest, trimmed_inputs
from nnapi_check.lowering.nnapi.validation.quantization import quant_problems
from nnapi_check.lowering.nnapi.validation.readings import PRESENT_ONLY_WITH, PRESENT_TOGETHER, Together
from nnapi_check.lowering.nnapi.validation.values import ValueCheck, value_checks, value_problems

NO_POSITIONS: frozenset[int] = frozenset()
"""No input of an operation."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A contract with what follows from it for every operation that shares it."""

    contract: Contract
    values: tuple[ValueCheck, ...]
    level: int
    demands: tuple[Demand, ...]


class Contracts:
    """The contracts concluded so far, for each kind and types once."""

    __slots__ = ("_concluded", "facts")

    def __init__(self, facts: Mapping[str, OperationFacts]) -> None:
        self.facts = facts
        self._concluded: dict[tuple[str, tuple[OperandType, ...], tuple[OperandType, ...]], Agreement] = {}

    def conclude(self, kind: str, inputs: tuple[OperandType, ...], outputs: tuple[OperandType, ...]) -> Agreement:
        """The contract of a known kind with these types."""
        key = (kind, inputs, outputs)
        agreement = self._concluded.get(key)
        if agreement is None:
            contract = conclude(self.facts[kind], inputs, outputs)
            level, demands = highest(contract.demands)
            agreement = Agreement(contract, value_checks(contract, len(inputs)), level, demands)
            self._concluded[key] = agreement
        return agreement


def check_operations(graph: GraphView, inner: Sequence[GraphView], contracts: Contracts) -> list[OperationLevel]:
    """Note what is wrong with each operation, and give the level that each needs."""
    levels = []
    for number, operation in enumerate(graph.model.operations):
        facts = contracts.facts.get(operation.kind)
        if facts is None:
            graph.add(Rule.UNKNOWN_OPERATION, operation.kind, "an operation of NNAPI", operation=number)
            levels.append(OperationLevel(operation.kind, 1, (), 1))
        elif number in graph.unusable:
            demands = (Demand(facts.since, operation.kind),) if facts.since > 1 else ()
            levels.append(OperationLevel(operation.kind, facts.since, demands, facts.since))
        else:
            levels.append(_check_operation(graph, number, operation, facts, inner, contracts))
    return levels


def _check_operation(
    graph: GraphView,
    number: int,
    operation: Operation,
    facts: OperationFacts,
    inner: Sequence[GraphView],
    contracts: Contracts,
) -> OperationLevel:
    types = graph.types
    outputs = tuple([types[index] for index in operation.outputs])
    agreement = contracts.conclude(operation.kind, tuple([types[index] for index in operation.inputs]), outputs)
    contract = agreement.contract
    problems, demands = _problems(graph, operation, agreement, inner)
    for problem in problems:
        graph.add_problem(problem, number)
    written = max(agreement.level, max((demand.level for demand in demands), default=1))
    seen = trimmed_inputs(operation, facts, graph.model) if facts.trims else operation.inputs
    if len(seen) != len(operation.inputs):
        trimmed = Operation(operation.kind, seen, operation.outputs)
        agreement = contracts.conclude(operation.kind, tuple([types[index] for index in seen]), outputs)
        demands = _rank_demands(graph, trimmed, agreement.contract)
        demands += quant_problems(agreement.contract, *_operands(graph, trimmed))[1]
    if not demands:
        return OperationLevel(contract.kind, agreement.level, agreement.demands, written)
    level, top = highest([*agreement.demands, *demands])
    return OperationLevel(contract.kind, level, top, written)


def _problems(
    graph: GraphView, operation: Operation, agreement: Agreement, inner: Sequence[GraphView]
) -> tuple[list[Problem], list[Demand]]:
    """All that is wrong with one operation. Later checks rest on earlier ones, and are left out where these fail."""
    contract = agreement.contract
    problems = list(contract.problems)
    demands = _rank_demands(graph, operation, contract)
    if contract.signature is None:
        return problems, demands
    problems += _missing_values(graph, operation, contract)
    if contract.facts.main_kind is None and not problems:
        problems += control_flow_problems(graph, operation, inner)
    problems += _rank_problems(graph, operation, contract)
    quant, more = quant_problems(contract, *_operands(graph, operation))
    demands += more
    problems += quant
    values = value_problems(agreement.values, operation.inputs, graph.constants)
    problems += values
    unsound = any(problem.rule is not Rule.QUANTIZATION for problem in problems)
    if not unsound and contract.facts.main_kind is None:
        problems += _compare_outputs(graph, operation, control_flow_shapes(graph, operation, inner))
    elif not unsound:
        problems += _shape_problems(graph, operation, contract)
    return problems, demands


def _operands(graph: GraphView, operation: Operation) -> tuple[list[Operand], list[Operand]]:
    operands = graph.model.operands
    return [operands[index] for index in operation.inputs], [operands[index] for index in operation.outputs]


def _missing_values(graph: GraphView, operation: Operation, contract: Contract) -> list[Problem]:
    problems = []
    absent = set()
    for position, index in enumerate(operation.inputs):
        if index in graph.without_value:
            absent.add(position)
            if position not in contract.may_lack_value:
                problems.append(Problem(Rule.MISSING_VALUE, "an operand without value", "a value", position))
    if contract.kind not in PRESENT_TOGETHER:
        return problems
    present = {position for position, index in enumerate(operation.inputs) if index not in graph.given} - absent
    return problems + _inconsistent_values(contract.kind, present, absent)


def _inconsistent_values(kind: str, present: set[int], absent: set[int]) -> list[Problem]:
    """Optional inputs whose values do not fit together. What the caller gives is neither present nor absent."""
    problems = []
    for together in PRESENT_TOGETHER[kind]:
        group = together.positions
        if absent.intersection(group) and present.intersection(group):
            missing = min(absent.intersection(group))
            wanted = f"values for all of the inputs {', '.join(str(other) for other in group)}, or for none"
            problems.append(Problem(Rule.MISSING_VALUE, "an operand without value", wanted, missing))
        problems += _misplaced_values_of_input_gates(together, present, absent)
    for dependent, base in PRESENT_ONLY_WITH.get(kind, ()):
        if dependent in present and base in absent:
            problems.append(_needless_value(dependent, base))
    return problems


def _misplaced_values_of_input_gates(together: Together, present: set[int], absent: set[int]) -> list[Problem]:
    problems = []
    for own, gate in together.of_input_gates:
        bases = {gate, *together.positions}
        if own in present and not absent.isdisjoint(bases):
            problems.append(_needless_value(own, min(absent & bases)))
        if own in absent and present.issuperset(bases):
            wanted = f"a value, for inputs {', '.join(str(base) for base in sorted(bases))} have one"
            problems.append(Problem(Rule.MISSING_VALUE, "an operand without value", wanted, own))
    return problems


def _needless_value(position: int, absent: int) -> Problem:
    return Problem(Rule.MISSING_VALUE, "a value", f"no value, for input {absent} has none", position)


def _rank_demands(graph: GraphView, operation: Operation, contract: Contract) -> list[Demand]:
    demands = []
    for check in contract.ranks:
        if check.from_start:
            index = (operation.outputs if check.is_output else operation.inputs)[check.position]
            shape = graph.model.operands[index].shape
            if not isinstance(shape, UnknownRank) and len(shape) not in check.from_start:
                demands.append(Demand(check.other_since, f"{contract.kind} of rank {len(shape)}"))
    for index in (*operation.inputs, *operation.outputs):
        if index in graph.unranked:
            demands.append(RANK_LEFT_OPEN)
    return demands


def _rank_problems(graph: GraphView, operation: Operation, contract: Contract) -> list[Problem]:
    problems = []
    for check in contract.ranks:
        index = (operation.outputs if check.is_output else operation.inputs)[check.position]
        shape = graph.shapes[index]
        if isinstance(shape, UnknownRank) or check.minimum <= len(shape) <= check.maximum:
            continue
        if not check.is_output and _is_omitted(graph, index, check.position, contract):
            continue
        found = f"rank {len(shape)}, shape {text(shape)}"
        problems.append(Problem(Rule.RANK, found, _wanted_rank(check), check.position, check.is_output))
    return problems


def _wanted_rank(check: RankCheck) -> str:
    if check.minimum == check.maximum:
        return f"rank {check.minimum}"
    if check.maximum >= HIGHEST_RANK:
        return f"rank {check.minimum} or more"
    return f"rank {check.minimum} to {check.maximum}"


def _is_omitted(graph: GraphView, index: int, position: int, contract: Contract) -> bool:
    """Whether an input has no value, or is one that the caller may leave out and whose shape says nothing."""
    if index in graph.without_value:
        return True
    if position not in contract.may_lack_value or index not in graph.given:
        return False
    shape = graph.shapes[index]
    return not isinstance(shape, UnknownRank) and all(isinstance(dim, Unspecified) for dim in shape)


def _shape_problems(graph: GraphView, operation: Operation, contract: Contract) -> list[Problem]:
    inference = INFERENCES.get(operation.kind)
    if inference is None:
        return []
    shapes = graph.shapes
    inputs = operation.inputs
    call = ShapeCall(
        kind=operation.kind,
        inputs=inputs,
        shapes=tuple([shapes[index] for index in inputs]),
        omitted=_omitted(graph, inputs, contract),
        absent=frozenset(position for position in contract.may_lack_value if inputs[position] in graph.without_value)
        if contract.may_lack_value
        else NO_POSITIONS,
        roles=contract.roles,
        tensors=contract.tensors,
        constants=graph.constants,
        output_count=len(operation.outputs),
    )
    problems = [] if contract.facts.zero else _empty_inputs(call)
    inferred = inference(call)
    problems += inferred.problems
    return problems + _compare_outputs(graph, operation, inferred.shapes)


def _compare_outputs(graph: GraphView, operation: Operation, inferred: Sequence[Shape]) -> list[Problem]:
    """The outputs whose declared shape is another than follows; what is not declared is filled in."""
    problems = []
    for position, (index, shape) in enumerate(zip(operation.outputs, inferred, strict=False)):
        declared = graph.shapes[index]
        if compatible(declared, shape):
            graph.shapes[index] = merged(declared, shape)
        else:
            problem = Problem(Rule.OUTPUT_SHAPE, f"shape {text(declared)}", text(shape), position, is_output=True)
            problems.append(problem)
    return problems


def _omitted(graph: GraphView, inputs: tuple[int, ...], contract: Contract) -> frozenset[int]:
    if not contract.may_lack_value:
        return NO_POSITIONS
    return frozenset(
        position for position in contract.may_lack_value if _is_omitted(graph, inputs[position], position, contract)
    )


def _empty_inputs(call: ShapeCall) -> list[Problem]:
    return [
        Problem(Rule.ZERO_SIZE, f"shape {text(shape)}", "a tensor that is not empty", position)
        for position, shape in enumerate(call.shapes)
        if not isinstance(shape, UnknownRank) and 0 in shape
    ]
