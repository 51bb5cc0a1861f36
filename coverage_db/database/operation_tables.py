"""The tables of NNAPI's operations: types, ranks, counts of outputs, configurations and trims."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nnapi_check.coverage_db.database.tables import LEVEL, TYPE, Row, integer, table, text
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.spec import Configuration, OperationFacts, RankFacts, Trim, ZeroFacts

_OPERATION = text("operation", refers_to="operations.name")
_POSITION = integer("position")
_SINCE = integer("since", refers_to=LEVEL)


@table(
    text("name"),
    integer("rank_min", required=False),
    integer("rank_max", required=False),
    text("ranks_from_start", required=False),
    integer("other_ranks_since", required=False, refers_to=LEVEL),
    key=("name",),
    fields_of=OperationFacts,
    has_document=True,
)
def operations(known: Knowledge) -> Iterator[Row]:
    """An NNAPI operation."""
    for facts in known.operations:
        rank = facts.rank or RankFacts(None, None)
        from_start = None if facts.rank is None else tuple(map(str, rank.from_start))
        yield facts.name, rank.min, rank.max, from_start, rank.other_since, facts


@table(_OPERATION, text("use"), text("type", refers_to=TYPE), _SINCE, key=("operation", "use", "type"))
def operation_types(known: Knowledge) -> Iterator[Row]:
    """A type that an operation accepts, and the level since which it does."""
    for facts in known.operations:
        lists = (("main", facts.types), ("output", facts.output_types), ("same type only", facts.same_type_only))
        for use, types in lists:
            for kind, since in types:
                yield facts.name, use, kind, since


@table(_OPERATION, _POSITION, key=("operation", "position"), fields_of=ZeroFacts)
def operation_zeros(known: Knowledge) -> Iterator[Row]:
    """Support of zero-sized tensors. No inputs means every tensor."""
    for facts in known.operations:
        for position, zero in enumerate(facts.zero):
            yield facts.name, position, zero


@table(_OPERATION, integer("outputs"), _SINCE, key=("operation", "outputs"))
def output_counts(known: Knowledge) -> Iterator[Row]:
    """A number of outputs that an operation has."""
    for facts in known.operations:
        for count, since in facts.output_counts:
            yield facts.name, count, since


@table(_OPERATION, _POSITION, key=("operation", "position"), fields_of=Configuration)
def configurations(known: Knowledge) -> Iterator[Row]:
    """A documented combination of a convolution's types."""
    for facts in known.operations:
        for position, row in enumerate(facts.configurations):
            yield facts.name, position, row


@table(_OPERATION, _POSITION, text("values"), text("together"), key=("operation", "position"), fields_of=Trim)
def trims(known: Knowledge) -> Iterator[Row]:
    """Trailing inputs that the runtime drops where they equal their defaults."""
    for facts in known.operations:
        for position, trim in enumerate(facts.trims):
            yield facts.name, position, json.dumps(trim.values), json.dumps(trim.together), trim


OPERATION_TABLES = (operations, operation_types, operation_zeros, output_counts, configurations, trims)
