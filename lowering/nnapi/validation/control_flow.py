"""IF and WHILE: their models take and give what the operation does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Model,
    Operand,
    Operation,
    Reference,
    Shape,
    UnknownRank,
)
from nnapi_check.lowering.nnapi.shapes.shapes import compatible, text
from nnapi_check.lowering.nnapi.validation.faults import Problem, Rule
from nnapi_check.lowering.nnapi.validation.graph_view import GraphView

Problems = list[Problem]


def control_flow_problems(graph: GraphView, operation: Operation, inner: Sequence[GraphView]) -> Problems:
    """What is wrong with the models of an IF or WHILE."""
    match operation.kind:
        case "IF":
            return _if_problems(graph, operation, inner)
        case "WHILE":
            return _while_problems(graph, operation, inner)
        case _:
            return []


def control_flow_shapes(graph: GraphView, operation: Operation, inner: Sequence[GraphView]) -> list[Shape]:
    """The shapes of the outputs of an IF or WHILE without problems, as far as they are the same whatever is run."""
    operands = graph.model.operands
    sources = [operands[index].source for index in operation.inputs[:3]]
    models = [source.model for source in sources if isinstance(source, Reference)]
    if len(models) < 2 or not all(0 <= model < len(inner) for model in models):
        return []
    first, second = (_output_shapes(inner[model]) for model in models[:2])
    if operation.kind == "WHILE":
        # The condition may be false at once, so that the first inputs are the outputs.
        first = [graph.shapes[index] for index in operation.inputs[2:]]
    return [_common(left, right) for left, right in zip(first, second, strict=False)]


def _output_shapes(graph: GraphView) -> list[Shape]:
    count = len(graph.shapes)
    return [graph.shapes[index] if 0 <= index < count else UNKNOWN_RANK for index in graph.model.outputs]


def _common(left: Shape, right: Shape) -> Shape:
    """What two shapes have in common."""
    if isinstance(left, UnknownRank) or isinstance(right, UnknownRank) or len(left) != len(right):
        return UNKNOWN_RANK
    return tuple(a if a == b else UNSPECIFIED for a, b in zip(left, right, strict=True))


def _if_problems(graph: GraphView, operation: Operation, inner: Sequence[GraphView]) -> Problems:
    problems = _condition_problems(graph.model.operands[operation.inputs[0]], 0)
    for position in (1, 2):
        branch = _model_at(graph, operation, position, inner)
        if branch is not None:
            problems += _branch_problems(graph, operation, position, branch)
    return problems


def _branch_problems(graph: GraphView, operation: Operation, position: int, branch: Model) -> Problems:
    taken, given = _known(graph, operation.inputs[3:]), _known(graph, operation.outputs)
    problems = _count_problem(position, "inputs", len(branch.inputs), len(taken), exactly=True)
    problems += _count_problem(position, "outputs", len(branch.outputs), len(given), exactly=True)
    problems += _mismatches(position, "input", _listed(branch, branch.inputs), taken)
    return problems + _mismatches(position, "output", _listed(branch, branch.outputs), given)


def _while_problems(graph: GraphView, operation: Operation, inner: Sequence[GraphView]) -> Problems:
    taken, given = _known(graph, operation.inputs[2:]), _known(graph, operation.outputs)
    problems: Problems = []
    condition = _model_at(graph, operation, 0, inner)
    if condition is not None:
        problems += _count_problem(0, "inputs", len(condition.inputs), len(taken), exactly=True)
        problems += _count_problem(0, "outputs", len(condition.outputs), 1, exactly=True)
        problems += _mismatches(0, "input", _listed(condition, condition.inputs), taken)
        for result in _listed(condition, condition.outputs)[:1]:
            problems += _condition_problems(result, 0)
    body = _model_at(graph, operation, 1, inner)
    if body is not None:
        body_inputs, body_outputs = _listed(body, body.inputs), _listed(body, body.outputs)
        problems += _count_problem(1, "inputs", len(body_inputs), len(taken), exactly=True)
        problems += _count_problem(1, "outputs", len(body_outputs), len(given), exactly=False)
        if len(body_outputs) > len(body_inputs):
            found = f"a body with {len(body_outputs)} outputs"
            problems.append(Problem(Rule.CONTROL_FLOW, found, f"at most its {len(body_inputs)} inputs", 1))
        problems += _mismatches(1, "input", body_inputs, taken)
        problems += _mismatches(1, "output", body_outputs, given)
        problems += _mismatches(1, "input that it gives back,", body_inputs, body_outputs)
    return problems


def _model_at(graph: GraphView, operation: Operation, position: int, inner: Sequence[GraphView]) -> Model | None:
    source = graph.model.operands[operation.inputs[position]].source
    if isinstance(source, Reference) and 0 <= source.model < len(inner):
        return inner[source.model].model
    return None


def _known(graph: GraphView, indices: Sequence[int]) -> list[Operand]:
    """Operands with the shapes that have become known."""
    operands, shapes = graph.model.operands, graph.shapes
    return [replace(operands[index], shape=shapes[index]) for index in indices]


def _listed(model: Model, indices: Sequence[int]) -> list[Operand]:
    return [model.operands[index] for index in indices if 0 <= index < len(model.operands)]


def _condition_problems(operand: Operand, position: int) -> Problems:
    if operand.type is OperandType.TENSOR_BOOL8 and operand.shape == (1,):
        return []
    found = f"a condition of {operand.type.name} and shape {text(operand.shape)}"
    return [Problem(Rule.CONTROL_FLOW, found, "TENSOR_BOOL8 of shape [1]", position)]


def _count_problem(position: int, what: str, found: int, wanted: int, *, exactly: bool) -> Problems:
    if found == wanted or (found > wanted and not exactly):
        return []
    limit = f"{wanted}" if exactly else f"at least {wanted}"
    return [Problem(Rule.CONTROL_FLOW, f"a model with {found} {what}", limit, position)]


def _mismatches(position: int, what: str, inner: Sequence[Operand], outer: Sequence[Operand]) -> Problems:
    problems = []
    for number, (inside, outside) in enumerate(zip(inner, outer, strict=False)):
        if not _match(inside, outside):
            found = f"{what} {number} of {_describe(inside)} inside"
            problems.append(Problem(Rule.CONTROL_FLOW, found, f"{_describe(outside)} as outside", position))
    return problems


def _match(left: Operand, right: Operand) -> bool:
    return (
        left.type is right.type
        and compatible(left.shape, right.shape)
        and left.quant == right.quant
        and left.channels == right.channels
    )


def _describe(operand: Operand) -> str:
    shape = "" if isinstance(operand.shape, UnknownRank) or not operand.shape else f" {text(operand.shape)}"
    quant = operand.quant
    scale = f" (scale {quant.scale:g}, zero point {quant.zero_point})" if quant.scale else ""
    return f"{operand.type.name}{shape}{scale}"
