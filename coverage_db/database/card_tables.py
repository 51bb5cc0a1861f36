"""The tables of op cards, differences and reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnapi_check.coverage_db.cards import Card, Emission, Example, Way
from nnapi_check.coverage_db.database.tables import LEVEL, TYPE, Row, integer, table, text
from nnapi_check.coverage_db.differences import Difference, Reason
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.coverage_db.way_levels import status_word, way_level
from nnapi_check.coverage_db.way_levels import way_types as types_of_way

_OP = text("op", refers_to="ops.op")
_OPERATION = text("operation", refers_to="operations.name")
_POSITION = integer("position")
_SINCE = integer("since", refers_to=LEVEL)
_WAY = text("way", refers_to="ways.id")


@table(text("id"), text("inputs", required=False), key=("id",), fields_of=Difference, has_document=True)
def differences(known: Knowledge) -> Iterator[Row]:
    """A thing that PyTorch and NNAPI mean differently."""
    for difference in known.differences:
        inputs = tuple(found.value for found in difference.inputs)
        yield difference.id, inputs or None, difference


@table(key=("code",), fields_of=Reason, has_document=True)
def reasons(known: Knowledge) -> Iterator[Row]:
    """A stable code for why a node stays on the CPU."""
    for reason in known.reasons:
        yield (reason,)


@table(
    text("op"),
    text("status"),
    text("call", required=False),
    text("first_output", required=False),
    key=("op",),
    fields_of=Card,
    without=("unwritten", "becomes", "when", "arguments", "call", "first_output"),
    has_document=True,
)
def ops(known: Knowledge) -> Iterator[Row]:
    """An op of PyTorch and its card."""
    for card in known.cards:
        call = None if card.call is None else card.call.op
        first_output = None if card.first_output is None else card.first_output.call.op
        yield card.op, status_word(card), call, first_output, card


@table(_OP, _OPERATION, key=("op", "operation"))
def unwritten(known: Knowledge) -> Iterator[Row]:
    """An operation that could serve an op for which no rule is written yet."""
    for card in known.cards:
        for operation in card.unwritten:
            yield card.op, operation


@table(_OP, text("becomes", refers_to="ops.op"), _POSITION, text("when"), key=("op", "becomes"))
def rewritten(known: Knowledge) -> Iterator[Row]:
    """An op that a call of another op is read as, before anything is judged."""
    for card in known.cards:
        for position, becomes in enumerate(card.becomes):
            yield card.op, becomes, position, card.when


@table(
    text("id"),
    _OP,
    _POSITION,
    text("status"),
    _SINCE,
    text("bound", required=False),
    key=("id",),
    fields_of=Way,
    without=("differences", "rounding", "quantized_bound", "halves"),
)
def ways(known: Knowledge) -> Iterator[Row]:
    """One possibility to lower an op."""
    operations = _Operations({facts.name: facts for facts in known.operations})
    for card in known.cards:
        for position, way in enumerate(card.ways):
            since = way_level(way, operations) if operations.has_all_of(way) else 1
            bound = None if way.bound is None else way.bound.words
            yield _way_id(card, way), card.op, position, way.status, since, bound, way


@table(_WAY, text("type", refers_to=TYPE), _SINCE, key=("way", "type"))
def way_types(known: Knowledge) -> Iterator[Row]:
    """An element type that a way may take as its first tensor, and the lowest feature level that has all of it."""
    operations = _Operations({facts.name: facts for facts in known.operations})
    for card, way in _all_ways(known):
        for kind, since in types_of_way(way, operations) if operations.has_all_of(way) else ():
            yield _way_id(card, way), kind, since


@dataclass(frozen=True, slots=True)
class _Operations:
    """The operations by name."""

    by_name: Mapping[str, OperationFacts]

    def operation(self, name: str) -> OperationFacts:
        return self.by_name[name]

    def has_all_of(self, way: Way) -> bool:
        """Whether every operation of a way exists; what does not is told of with all other faults, at the end."""
        return all(emission.operation in self.by_name for emission in way.emits)


@table(_WAY, _POSITION, _OPERATION, key=("way", "position"), fields_of=Emission)
def emissions(known: Knowledge) -> Iterator[Row]:
    """An operation that a way emits."""
    for card, way in _all_ways(known):
        for position, emission in enumerate(way.emits):
            yield _way_id(card, way), position, emission.operation, emission


@table(_WAY, text("difference", refers_to="differences.id"), key=("way", "difference"))
def way_differences(known: Knowledge) -> Iterator[Row]:
    """A difference that a way bridges."""
    for card, way in _all_ways(known):
        for difference in way.differences:
            yield _way_id(card, way), difference


@table(
    _WAY,
    _POSITION,
    text("condition"),
    text("reason", required=False, refers_to="reasons.code"),
    key=("way", "id"),
    fields_of=Requirement,
    without=("selects", "wanted"),
)
def requirements(known: Knowledge) -> Iterator[Row]:
    """A condition of a way, with its reason."""
    for card, way in _all_ways(known):
        for position, requirement in enumerate(way.requires):
            yield _way_id(card, way), position, requirement.condition, requirement.reason or None, requirement


@table(_WAY, _POSITION, text("tensors"), text("args"), key=("way", "name"), fields_of=Example)
def examples(known: Knowledge) -> Iterator[Row]:
    """One call of an op; where expect is set, the requirement that it breaks."""
    for card, way in _all_ways(known):
        for position, example in enumerate(way.examples):
            tensors, args = json.dumps(dict(example.tensors)), json.dumps(dict(example.args))
            yield _way_id(card, way), position, tensors, args, example


def _way_id(card: Card, way: Way) -> str:
    return f"{card.op}/{way.name}"


def _all_ways(known: Knowledge) -> Iterator[tuple[Card, Way]]:
    for card in known.cards:
        for way in card.ways:
            yield card, way


CARD_TABLES = (
    differences,
    reasons,
    ops,
    unwritten,
    rewritten,
    ways,
    way_types,
    emissions,
    way_differences,
    requirements,
    examples,
)
