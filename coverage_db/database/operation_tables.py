"""The tables of NNAPI's operations: types, ranks, counts of outputs, configurations and trims."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from nnapi_check.coverage_db.database.documents import DocumentFormat
from nnapi_check.coverage_db.database.tables import Row, TablePlan, integer, level, operand_type, text
from nnapi_check.coverage_db.knowledge import Knowledge


def _operations(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        rank = facts.rank
        yield {
            "name": facts.name,
            "code": facts.code,
            "since": facts.since,
            "since_from": facts.since_from,
            "types_from": facts.types_from,
            "main_kind": facts.main_kind,
            "main_index": facts.main_index,
            "rank_min": None if rank is None else rank.min,
            "rank_max": None if rank is None else rank.max,
            "ranks_from_start": None if rank is None else _numbers(rank.from_start),
            "other_ranks_since": None if rank is None else rank.other_since,
            "nchw_since": facts.nchw_since,
            "nchw_optional": facts.nchw_optional,
            "broadcasts": facts.broadcasts,
            "notes": facts.notes,
            "document": documents.write(facts),
        }


def _operation_types(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        lists = (("main", facts.types), ("output", facts.output_types), ("same type only", facts.same_type_only))
        for use, types in lists:
            for kind, since in types:
                yield {"operation": facts.name, "use": use, "type": kind.name, "since": since}


def _operation_zeros(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        for position, zero in enumerate(facts.zero):
            yield {
                "operation": facts.name,
                "position": position,
                "what": zero.what,
                "since": zero.since,
                "inputs": ", ".join(zero.inputs),
            }


def _output_counts(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        for count, since in facts.output_counts:
            yield {"operation": facts.name, "outputs": count, "since": since}


def _configurations(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        for position, row in enumerate(facts.configurations):
            yield {
                "operation": facts.name,
                "position": position,
                "since": row.since,
                "input": row.input.name,
                "filter": row.filter.name,
                "bias": row.bias.name,
                "output": row.output.name,
                "bias_scale": None if row.bias_scale is None else row.bias_scale.value,
            }


def _trims(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.operations:
        for position, trim in enumerate(facts.trims):
            yield {
                "operation": facts.name,
                "position": position,
                "first": trim.first,
                "values": json.dumps(trim.values),
                "together": json.dumps(trim.together),
            }


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)


OPERATION_TABLES = (
    TablePlan(
        "operations",
        "An NNAPI operation.",
        ("name",),
        (
            text("name"),
            integer("code"),
            level("since"),
            text("since_from"),
            text("types_from"),
            text("main_kind", required=False),
            integer("main_index", required=False),
            integer("rank_min", required=False),
            integer("rank_max", required=False),
            text("ranks_from_start", required=False),
            level("other_ranks_since", required=False),
            level("nchw_since", required=False),
            integer("nchw_optional"),
            integer("broadcasts"),
            text("notes"),
            text("document"),
        ),
        _operations,
    ),
    TablePlan(
        "operation_types",
        "A type that an operation accepts, and the level since which it does.",
        ("operation", "use", "type"),
        (text("operation", refers_to="operations.name"), text("use"), operand_type("type"), level("since")),
        _operation_types,
    ),
    TablePlan(
        "operation_zeros",
        "Support of zero-sized tensors. No inputs means every tensor.",
        ("operation", "position"),
        (
            text("operation", refers_to="operations.name"),
            integer("position"),
            text("what"),
            level("since"),
            text("inputs"),
        ),
        _operation_zeros,
    ),
    TablePlan(
        "output_counts",
        "A number of outputs that an operation has.",
        ("operation", "outputs"),
        (text("operation", refers_to="operations.name"), integer("outputs"), level("since")),
        _output_counts,
    ),
    TablePlan(
        "configurations",
        "A documented combination of a convolution's types.",
        ("operation", "position"),
        (
            text("operation", refers_to="operations.name"),
            integer("position"),
            level("since"),
            operand_type("input"),
            operand_type("filter"),
            operand_type("bias"),
            operand_type("output"),
            text("bias_scale", required=False),
        ),
        _configurations,
    ),
    TablePlan(
        "trims",
        "Trailing inputs that the runtime drops where they equal their defaults.",
        ("operation", "position"),
        (
            text("operation", refers_to="operations.name"),
            integer("position"),
            integer("first"),
            text("values"),
            text("together"),
        ),
        _trims,
    ),
)
