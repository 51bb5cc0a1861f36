"""The tables of signatures: inputs, outputs, types that follow the main operand's, and quantization rules."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nnapi_check.coverage_db.database.tables import LEVEL, TYPE, Row, integer, table, text
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.spec import FOREVER, OperandFacts, OperationFacts, QuantRule, Signature

_ID = text("id")
_OPERATION = text("operation", refers_to="operations.name")
_POSITION = integer("position")
_SIGNATURE = text("signature", refers_to="signatures.id")
_DEFAULT = text("default_value", required=False)
_TYPE = text("type", refers_to=TYPE)


@table(_ID, _OPERATION, _POSITION, key=("id",), fields_of=Signature)
def signatures(known: Knowledge) -> Iterator[Row]:
    """A documented list of an operation's inputs."""
    for facts in known.operations:
        for position, signature in enumerate(facts.signatures):
            yield f"{facts.name}/{signature.name}", facts.name, position, signature


@table(_SIGNATURE, integer("inputs"), integer("since", refers_to=LEVEL), key=("signature", "inputs"))
def signature_counts(known: Knowledge) -> Iterator[Row]:
    """A number of inputs that a signature accepts."""
    for facts in known.operations:
        for signature in facts.signatures:
            for count, since in signature.counts:
                yield f"{facts.name}/{signature.name}", count, since


@table(_ID, _SIGNATURE, _POSITION, _DEFAULT, key=("id",), fields_of=OperandFacts)
def signature_inputs(known: Knowledge) -> Iterator[Row]:
    """An input of a signature."""
    for _, signature, position, operand in _inputs(known):
        yield f"{signature}/{position}", signature, position, _default(operand), operand


@table(_ID, _OPERATION, _POSITION, _DEFAULT, key=("id",), fields_of=OperandFacts)
def outputs(known: Knowledge) -> Iterator[Row]:
    """An output of an operation."""
    for facts in known.operations:
        for position, operand in enumerate(facts.outputs):
            yield f"{facts.name}/output/{position}", facts.name, position, _default(operand), operand


@table(text("input", refers_to="signature_inputs.id"), text("main_type"), _TYPE, key=("input", "main_type"))
def types_by_main(known: Knowledge) -> Iterator[Row]:
    """The type of an input that follows the main operand's."""
    for _, signature, position, operand in _inputs(known):
        for main, kind in operand.type_by_main:
            yield f"{signature}/{position}", "other" if main is None else main, kind


@table(
    _ID,
    _OPERATION,
    text("input", required=False, refers_to="signature_inputs.id"),
    text("output", required=False, refers_to="outputs.id"),
    integer("until", required=False, refers_to=LEVEL),
    key=("id",),
    fields_of=QuantRule,
)
def quant_rules(known: Knowledge) -> Iterator[Row]:
    """A demand on the scale and zero point of an input or an output."""
    for operation, operand_id, is_output, position, rule in _rules(known):
        operand = (None, operand_id) if is_output else (operand_id, None)
        yield f"{operand_id}/{position}", operation, *operand, None if rule.until == FOREVER else rule.until, rule


@table(text("rule", refers_to="quant_rules.id"), text("use"), _TYPE, key=("rule", "use", "type"))
def quant_rule_types(known: Knowledge) -> Iterator[Row]:
    """A type of which a quantization rule speaks."""
    for _, operand_id, _, position, rule in _rules(known):
        uses = (("operand", rule.types), ("when main", rule.when_main), ("when filter", rule.when_filter))
        for use, types in uses:
            for kind in sorted(types):
                yield f"{operand_id}/{position}", use, kind


def _inputs(known: Knowledge) -> Iterator[tuple[OperationFacts, str, int, OperandFacts]]:
    """Each input of each signature, with its operation, the signature's id and the input's position."""
    for facts in known.operations:
        for signature in facts.signatures:
            for position, operand in enumerate(signature.inputs):
                yield facts, f"{facts.name}/{signature.name}", position, operand


def _rules(known: Knowledge) -> Iterator[tuple[str, str, bool, int, QuantRule]]:
    """Each rule, with its operation, its operand's id, whether that is an output, and the rule's position."""
    for facts, signature, position, operand in _inputs(known):
        for place, rule in enumerate(operand.quant):
            yield facts.name, f"{signature}/{position}", False, place, rule
    for facts in known.operations:
        for position, operand in enumerate(facts.outputs):
            for place, rule in enumerate(operand.quant):
                yield facts.name, f"{facts.name}/output/{position}", True, place, rule


def _default(operand: OperandFacts) -> str | None:
    return None if operand.default is None else json.dumps(operand.default)


SIGNATURE_TABLES = (
    signatures,
    signature_counts,
    signature_inputs,
    outputs,
    types_by_main,
    quant_rules,
    quant_rule_types,
)
