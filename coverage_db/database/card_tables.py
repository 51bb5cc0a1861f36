"""The tables of op cards, differences and reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnapi_check.coverage_db.cards import Card, Way
from nnapi_check.coverage_db.database.documents import DocumentFormat
from nnapi_check.coverage_db.database.tables import Row, TablePlan, integer, level, operand_type, text
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.coverage_db.way_levels import status_word, way_level, way_types


def _differences(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for difference in known.differences:
        yield {
            "id": difference.id,
            "title": difference.title,
            "pytorch": difference.pytorch,
            "nnapi": difference.nnapi,
            "bridge": difference.bridge,
            "inputs": ", ".join(found.value for found in difference.inputs) or None,
            "spreads": difference.spreads,
            "since": difference.since,
            "until": difference.until,
            "source": difference.source,
            "document": documents.write(difference),
        }


def _reasons(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for reason in known.reasons:
        yield {
            "code": reason.code,
            "kind": reason.kind,
            "title": reason.title,
            "explanation": reason.explanation,
            "fix": reason.fix,
            "document": documents.write(reason),
        }


def _ops(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for card in known.cards:
        yield {
            "op": card.op,
            "family": card.family,
            "summary": card.summary,
            "status": status_word(card),
            "gap": card.gap,
            "fix": card.fix,
            "source": card.source,
            "document": documents.write(card),
        }


def _unwritten(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for card in known.cards:
        for operation in card.unwritten:
            yield {"op": card.op, "operation": operation}


def _rewritten(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for card in known.cards:
        for position, becomes in enumerate(card.becomes):
            yield {"op": card.op, "becomes": becomes, "position": position, "when": card.when}


def _ways(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    operations = _Operations({facts.name: facts for facts in known.operations})
    for card in known.cards:
        for position, way in enumerate(card.ways):
            yield {
                "id": _way_id(card, way),
                "op": card.op,
                "position": position,
                "name": way.name,
                "layout": way.layout.value,
                "status": way.status.value,
                "since": way_level(way, operations) if operations.has_all_of(way) else 1,
                "bound": None if way.bound is None else way.bound.words,
                "activation": way.activation.name,
            }


def _way_types(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    operations = _Operations({facts.name: facts for facts in known.operations})
    for card, way in _all_ways(known):
        for kind, since in way_types(way, operations) if operations.has_all_of(way) else ():
            yield {"way": _way_id(card, way), "type": kind.name, "since": since}


@dataclass(frozen=True, slots=True)
class _Operations:
    """The operations by name."""

    by_name: Mapping[str, OperationFacts]

    def operation(self, name: str) -> OperationFacts:
        return self.by_name[name]

    def has_all_of(self, way: Way) -> bool:
        """Whether every operation of a way exists; what does not is told of with all other faults, at the end."""
        return all(emission.operation in self.by_name for emission in way.emits)


def _emissions(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for card, way in _all_ways(known):
        for position, emission in enumerate(way.emits):
            yield {
                "way": _way_id(card, way),
                "position": position,
                "operation": emission.operation,
                "of": emission.of,
                "type": None if emission.type is None else emission.type.name,
                "filter": None if emission.filter is None else emission.filter.name,
                "roles": ", ".join(emission.roles),
            }


def _way_differences(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for card, way in _all_ways(known):
        for difference in way.differences:
            yield {"way": _way_id(card, way), "difference": difference}


def _requirements(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for card, way in _all_ways(known):
        for position, requirement in enumerate(way.requires):
            yield {
                "way": _way_id(card, way),
                "id": requirement.id,
                "position": position,
                "condition": requirement.condition,
                "because": requirement.because,
                "fix": requirement.fix,
                "reason": requirement.reason or None,
                "until": requirement.until,
            }


def _examples(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for card, way in _all_ways(known):
        for position, example in enumerate(way.examples):
            yield {
                "way": _way_id(card, way),
                "name": example.name,
                "position": position,
                "tensors": json.dumps(dict(example.tensors)),
                "args": json.dumps(dict(example.args)),
                "expect": example.expect,
            }


def _way_id(card: Card, way: Way) -> str:
    return f"{card.op}/{way.name}"


def _all_ways(known: Knowledge) -> Iterator[tuple[Card, Way]]:
    for card in known.cards:
        for way in card.ways:
            yield card, way


CARD_TABLES = (
    TablePlan(
        "differences",
        "A thing that PyTorch and NNAPI mean differently.",
        ("id",),
        (
            text("id"),
            text("title"),
            text("pytorch"),
            text("nnapi"),
            text("bridge"),
            text("inputs", required=False),
            integer("spreads"),
            level("since"),
            level("until", required=False),
            text("source"),
            text("document"),
        ),
        _differences,
    ),
    TablePlan(
        "reasons",
        "A stable code for why a node stays on the CPU.",
        ("code",),
        (text("code"), text("kind"), text("title"), text("explanation"), text("fix"), text("document")),
        _reasons,
    ),
    TablePlan(
        "ops",
        "An op of PyTorch and its card.",
        ("op",),
        (
            text("op"),
            text("family"),
            text("summary"),
            text("status"),
            text("gap", required=False),
            text("fix"),
            text("source"),
            text("document"),
        ),
        _ops,
    ),
    TablePlan(
        "unwritten",
        "An operation that could serve an op for which no rule is written yet.",
        ("op", "operation"),
        (text("op", refers_to="ops.op"), text("operation", refers_to="operations.name")),
        _unwritten,
    ),
    TablePlan(
        "rewritten",
        "An op that a call of another op is read as, before anything is judged.",
        ("op", "becomes"),
        (
            text("op", refers_to="ops.op"),
            text("becomes", refers_to="ops.op"),
            integer("position"),
            text("when"),
        ),
        _rewritten,
    ),
    TablePlan(
        "ways",
        "One possibility to lower an op.",
        ("id",),
        (
            text("id"),
            text("op", refers_to="ops.op"),
            integer("position"),
            text("name"),
            text("layout"),
            text("status"),
            level("since"),
            text("bound", required=False),
            text("activation"),
        ),
        _ways,
    ),
    TablePlan(
        "way_types",
        "An element type that a way may take as its first tensor, and the lowest feature level that has all of it.",
        ("way", "type"),
        (text("way", refers_to="ways.id"), operand_type("type"), level("since")),
        _way_types,
    ),
    TablePlan(
        "emissions",
        "An operation that a way emits.",
        ("way", "position"),
        (
            text("way", refers_to="ways.id"),
            integer("position"),
            text("operation", refers_to="operations.name"),
            text("of"),
            operand_type("type", required=False),
            operand_type("filter", required=False),
            text("roles"),
        ),
        _emissions,
    ),
    TablePlan(
        "way_differences",
        "A difference that a way bridges.",
        ("way", "difference"),
        (text("way", refers_to="ways.id"), text("difference", refers_to="differences.id")),
        _way_differences,
    ),
    TablePlan(
        "requirements",
        "A condition of a way, with its reason.",
        ("way", "id"),
        (
            text("way", refers_to="ways.id"),
            text("id"),
            integer("position"),
            text("condition"),
            text("because"),
            text("fix"),
            text("reason", required=False, refers_to="reasons.code"),
            level("until", required=False),
        ),
        _requirements,
    ),
    TablePlan(
        "examples",
        "One call of an op; where expect is set, the requirement that it breaks.",
        ("way", "name"),
        (
            text("way", refers_to="ways.id"),
            text("name"),
            integer("position"),
            text("tensors"),
            text("args"),
            text("expect", required=False),
        ),
        _examples,
    ),
)
