"""Which type each operand of an operation must have, given that of the main operand."""

from __future__ import annotations

from nnapi_check.coverage_db.spec import Configuration, OperandType, OperationFacts, Signature
from nnapi_check.lowering.nnapi.validation import readings
from nnapi_check.lowering.nnapi.validation.faults import Problem, Rule
from nnapi_check.lowering.nnapi.validation.signatures import facts_at, output_position

Types = tuple[OperandType, ...]


def configuration_of(facts: OperationFacts, main: OperandType, inputs: Types) -> Configuration | None:
    """The documented combination that input and filter belong to, or None."""
    for configuration in facts.configurations:
        if configuration.input is main and len(inputs) > 1 and configuration.filter is inputs[1]:
            return configuration
    return None


def input_problems(
    facts: OperationFacts,
    signature: Signature,
    main: OperandType,
    inputs: Types,
    configuration: Configuration | None,
) -> list[Problem]:
    """The inputs beside the main operand that have the wrong type."""
    problems = []
    for position, found in enumerate(inputs):
        if facts.main_kind == "input" and position == facts.main_index:
            continue
        accepted = accepted_input(facts, signature, main, inputs, position, configuration)
        if found not in accepted:
            problems.append(Problem(Rule.INPUT_TYPE, found.name, names(accepted), position))
    return problems


def accepted_input(
    facts: OperationFacts,
    signature: Signature,
    main: OperandType,
    inputs: Types,
    position: int,
    configuration: Configuration | None,
) -> Types:
    """The types that the input at ``position`` may have. ``inputs`` are the types of all inputs."""
    operand = facts_at(signature.inputs, position, len(inputs))
    role = None if operand is None else operand.role
    if facts.configurations and role == "filter":
        return tuple(entry.filter for entry in facts.configurations if entry.input is main)
    if facts.configurations and role == "bias":
        biases = {entry.bias for entry in facts.configurations if entry.input is main}
        return (configuration.bias,) if configuration is not None else tuple(biases)
    reading = readings.INPUT_TYPES.get((facts.name, position))
    if operand is not None and reading is None:
        if operand.type is not None:
            return (readings.scalar_type(operand.type, main),)
        if operand.type_by_main:
            by_main = dict(operand.type_by_main)
            return (by_main[main if main in by_main else None],) if main in by_main or None in by_main else ()
        reading = readings.ROLE_TYPES.get(role or "")
    return _read(reading, main, inputs)


def _read(reading: readings.TypeReading | None, main: OperandType, inputs: Types) -> Types:
    if reading is None:
        return (main,)
    if reading.as_input is not None:
        return (inputs[reading.as_input],)
    if reading.always:
        return tuple(readings.scalar_type(kind, main) for kind in reading.always)
    return (main,) if main in readings.FLOAT_TENSORS else reading.when_quantized


def output_problems(facts: OperationFacts, main: OperandType, outputs: Types) -> list[Problem]:
    """The outputs beside the main operand that have the wrong type."""
    problems = []
    for position, found in enumerate(outputs):
        if facts.main_kind == "output" and position == facts.main_index:
            continue
        accepted = accepted_output(facts, main, position, len(outputs))
        if found not in accepted:
            problems.append(Problem(Rule.OUTPUT_TYPE, found.name, names(accepted), position, is_output=True))
    return problems


def accepted_output(facts: OperationFacts, main: OperandType, position: int, count: int) -> Types:
    """The types that the output at ``position`` of ``count`` may have."""
    if facts.output_types:
        return tuple(kind for kind, _ in facts.output_types)
    if facts.same_type_only and main in dict(facts.types):
        return tuple(kind for kind, _ in facts.types)
    operand = facts_at(facts.outputs, output_position(facts.name, position, count), count)
    reading = readings.OUTPUT_TYPES.get((facts.name, position))
    if reading is None and operand is not None and operand.type is not None:
        return (operand.type,)
    return _read(reading, main, ())


def names(kinds: Types) -> str:
    """Types as alternatives, in words."""
    return " or ".join(kind.name for kind in kinds) or "no such operand"
