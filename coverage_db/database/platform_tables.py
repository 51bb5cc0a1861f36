"""The tables of what surrounds the operations: levels, types, enumerations and targets."""

from __future__ import annotations

from collections.abc import Iterator

from nnapi_check.coverage_db.database.documents import DocumentFormat
from nnapi_check.coverage_db.database.tables import Row, TablePlan, integer, level, operand_type, real, text
from nnapi_check.coverage_db.knowledge import Knowledge


def _levels(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for found in known.levels:
        yield {
            "feature_level": found.feature_level,
            "c_value": found.c_value,
            "came_with": found.came_with,
            "document": documents.write(found),
        }


def _api_levels(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for found in known.levels:
        for api in found.api_levels:
            yield {
                "api_level": api.api_level,
                "android": api.android,
                "feature_level": api.feature_level,
                "is_deprecated": api.is_deprecated,
            }


def _types(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for facts in known.types:
        yield {
            "name": facts.type.name,
            "code": facts.type.value,
            "since": facts.since,
            "element_bytes": facts.element_bytes,
            "quantization": facts.quantization.value,
            "zero_point_min": facts.zero_point_min,
            "zero_point_max": facts.zero_point_max,
            "aliases": ", ".join(facts.aliases),
            "document": documents.write(facts),
        }


def _enumeration_members(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for enumeration in known.enumerations:
        for member in enumeration.members:
            yield {
                "enumeration": enumeration.name,
                "name": member.name,
                "value": member.value,
                "since": member.since,
            }


def _targets(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for target in known.targets:
        yield {
            "name": target.name,
            "summary": target.summary,
            "format_version": target.format_version,
            "value_alignment": target.value_alignment,
            "carries_channel_params": target.carries_channel_params,
            "carries_models": target.carries_models,
            "counts_below": target.counts_below,
            "buffer_bytes_below": target.buffer_bytes_below,
            "sources": "\n".join(target.sources),
            "document": documents.write(target),
        }


def _target_value_sources(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for target in known.targets:
        for source, code in target.value_sources:
            yield {"target": target.name, "source": source.value, "code": code}


def _target_inputs(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for target in known.targets:
        for accepted in target.inputs:
            yield {
                "target": target.name,
                "dtype": accepted.dtype,
                "type": accepted.type.name,
                "scale": accepted.scale,
                "zero_point": accepted.zero_point,
            }


def _imports(known: Knowledge, documents: DocumentFormat) -> Iterator[Row]:
    for position, record in enumerate(known.imports):
        yield {
            "position": position,
            "document": record.document,
            "level": record.level,
            "sha256": record.sha256,
            "date": record.date,
            "added": ", ".join(record.added),
            "changed": ", ".join(record.changed),
        }


PLATFORM_TABLES = (
    TablePlan(
        "levels",
        "A feature level.",
        ("feature_level",),
        (integer("feature_level"), integer("c_value"), text("came_with"), text("document")),
        _levels,
    ),
    TablePlan(
        "api_levels",
        "An API level of Android, and the feature level that comes with it.",
        ("api_level",),
        (integer("api_level"), text("android"), level("feature_level"), integer("is_deprecated")),
        _api_levels,
    ),
    TablePlan(
        "types",
        "An operand type.",
        ("name",),
        (
            text("name"),
            integer("code"),
            level("since"),
            integer("element_bytes", required=False),
            text("quantization"),
            integer("zero_point_min", required=False),
            integer("zero_point_max", required=False),
            text("aliases"),
            text("document"),
        ),
        _types,
    ),
    TablePlan(
        "enumeration_members",
        "A member of one of NNAPI's other enumerations.",
        ("enumeration", "name"),
        (text("enumeration"), text("name"), integer("value"), level("since")),
        _enumeration_members,
    ),
    TablePlan(
        "targets",
        "What carries a model to the device, with its limits.",
        ("name",),
        (
            text("name"),
            text("summary"),
            integer("format_version"),
            integer("value_alignment"),
            integer("carries_channel_params"),
            integer("carries_models"),
            integer("counts_below"),
            integer("buffer_bytes_below"),
            text("sources"),
            text("document"),
        ),
        _targets,
    ),
    TablePlan(
        "target_value_sources",
        "A source of constants that a target knows.",
        ("target", "source"),
        (text("target", refers_to="targets.name"), text("source"), integer("code")),
        _target_value_sources,
    ),
    TablePlan(
        "target_inputs",
        "A dtype that a target accepts as a model's input.",
        ("target", "dtype"),
        (
            text("target", refers_to="targets.name"),
            text("dtype"),
            operand_type("type"),
            real("scale", required=False),
            integer("zero_point", required=False),
        ),
        _target_inputs,
    ),
    TablePlan(
        "imports",
        "An import of a header or specification.",
        ("position",),
        (
            integer("position"),
            text("document"),
            level("level"),
            text("sha256"),
            text("date"),
            text("added"),
            text("changed"),
        ),
        _imports,
    ),
)
