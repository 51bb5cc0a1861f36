"""The tables of signatures: inputs, outputs, types that follow the main operand's, and quantization rules."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nnapi_check.coverage_db.database.documents import DocumentFormat
from nnapi_check.coverage_db.database.tables import Cell, Row, TablePlan, integer, level, operand_type, real, text
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.spec import FOREVER, OperandFacts, OperationFacts, QuantRule

_OPERAND_COLUMNS = (
    integer("position"),
    integer("index", required=False),
    text("span", required=False),
    level("since"),
    integer("is_scalar"),
    integer("optional"),
    text("default_value", required=False),
    operand_type("type", required=False),
    text("role", required=False),
    integer("rank", required=False),
    integer("is_last"),
)


def _signatures(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        for position, signature in enumerate(facts.signatures):
            yield {
                "id": f"{facts.name}/{signature.name}",
                "operation": facts.name,
                "position": position,
                "name": signature.name,
                "since": signature.since,
                "is_variadic": signature.is_variadic,
                "fixed_inputs": signature.fixed_inputs,
            }


def _signature_counts(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        for signature in facts.signatures:
            for count, since in signature.counts:
                yield {"signature": f"{facts.name}/{signature.name}", "inputs": count, "since": since}


def _signature_inputs(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for _, signature, position, operand in _inputs(known):
        yield {"id": f"{signature}/{position}", "signature": signature} | _operand_cells(position, operand)


def _outputs(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        for position, operand in enumerate(facts.outputs):
            identity: dict[str, Cell] = {"id": f"{facts.name}/output/{position}", "operation": facts.name}
            yield identity | _operand_cells(position, operand)


def _types_by_main(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for _, signature, position, operand in _inputs(known):
        for main, kind in operand.type_by_main:
            yield {
                "input": f"{signature}/{position}",
                "main_type": "other" if main is None else main.name,
                "type": kind.name,
            }


def _quant_rules(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for operation, operand_id, is_output, position, rule in _rules(known):
        yield {
            "id": f"{operand_id}/{position}",
            "operation": operation,
            "input": None if is_output else operand_id,
            "output": operand_id if is_output else None,
            "kind": rule.kind.value,
            "index": rule.index,
            "scale": rule.scale,
            "zero_point": rule.zero_point,
            "dim": rule.dim,
            "since": rule.since,
            "until": None if rule.until == FOREVER else rule.until,
        }


def _quant_rule_types(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for _, operand_id, _, position, rule in _rules(known):
        uses = (("operand", rule.types), ("when main", rule.when_main), ("when filter", rule.when_filter))
        for use, types in uses:
            for kind in sorted(types):
                yield {"rule": f"{operand_id}/{position}", "use": use, "type": kind.name}


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


def _operand_cells(position: int, operand: OperandFacts) -> dict[str, Cell]:
    return {
        "position": position,
        "index": operand.index,
        "span": operand.span,
        "since": operand.since,
        "is_scalar": operand.is_scalar,
        "optional": operand.optional,
        "default_value": None if operand.default is None else json.dumps(operand.default),
        "type": None if operand.type is None else operand.type.name,
        "role": operand.role,
        "rank": operand.rank,
        "is_last": operand.is_last,
    }


SIGNATURE_TABLES = (
    TablePlan(
        "signatures",
        "A documented list of an operation's inputs.",
        ("id",),
        (
            text("id"),
            text("operation", refers_to="operations.name"),
            integer("position"),
            text("name"),
            level("since"),
            integer("is_variadic"),
            integer("fixed_inputs", required=False),
        ),
        _signatures,
    ),
    TablePlan(
        "signature_counts",
        "A number of inputs that a signature accepts.",
        ("signature", "inputs"),
        (text("signature", refers_to="signatures.id"), integer("inputs"), level("since")),
        _signature_counts,
    ),
    TablePlan(
        "signature_inputs",
        "An input of a signature.",
        ("id",),
        (text("id"), text("signature", refers_to="signatures.id"), *_OPERAND_COLUMNS),
        _signature_inputs,
    ),
    TablePlan(
        "outputs",
        "An output of an operation.",
        ("id",),
        (text("id"), text("operation", refers_to="operations.name"), *_OPERAND_COLUMNS),
        _outputs,
    ),
    TablePlan(
        "types_by_main",
        "The type of an input that follows the main operand's.",
        ("input", "main_type"),
        (text("input", refers_to="signature_inputs.id"), text("main_type"), operand_type("type")),
        _types_by_main,
    ),
    TablePlan(
        "quant_rules",
        "A demand on the scale and zero point of an input or an output.",
        ("id",),
        (
            text("id"),
            text("operation", refers_to="operations.name"),
            text("input", required=False, refers_to="signature_inputs.id"),
            text("output", required=False, refers_to="outputs.id"),
            text("kind"),
            integer("index", required=False),
            real("scale", required=False),
            integer("zero_point", required=False),
            integer("dim", required=False),
            level("since"),
            level("until", required=False),
        ),
        _quant_rules,
    ),
    TablePlan(
        "quant_rule_types",
        "A type of which a quantization rule speaks.",
        ("rule", "use", "type"),
        (text("rule", refers_to="quant_rules.id"), text("use"), operand_type("type")),
        _quant_rule_types,
    ),
)
