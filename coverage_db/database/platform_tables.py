"""The tables of what surrounds the operations: levels, types, enumerations, functions and targets."""

from __future__ import annotations

from collections.abc import Iterator

from nnapi_check.coverage_db.database.tables import Row, integer, table, text
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.spec import ApiLevel, EnumerationMember, FunctionFacts, ImportRecord, Level, TypeFacts
from nnapi_check.coverage_db.targets import LoaderFormat, Target, TargetInput

_TARGET = text("target", refers_to="targets.name")


@table(integer("feature_level"), key=("feature_level",), fields_of=Level, has_document=True)
def levels(known: Knowledge) -> Iterator[Row]:
    """A feature level."""
    for found in known.levels:
        yield found.feature_level, found


@table(key=("api_level",), fields_of=ApiLevel)
def api_levels(known: Knowledge) -> Iterator[Row]:
    """An API level of Android, and the feature level that comes with it."""
    for found in known.levels:
        for api in found.api_levels:
            yield (api,)


@table(text("name"), integer("code"), key=("name",), fields_of=TypeFacts, without=("type",), has_document=True)
def types(known: Knowledge) -> Iterator[Row]:
    """An operand type."""
    for facts in known.types:
        yield facts.type, int(facts.type), facts


@table(text("enumeration"), key=("enumeration", "name"), fields_of=EnumerationMember)
def enumeration_members(known: Knowledge) -> Iterator[Row]:
    """A member of one of NNAPI's other enumerations."""
    for enumeration in known.enumerations:
        for member in enumeration.members:
            yield enumeration.name, member


@table(key=("name",), fields_of=FunctionFacts)
def functions(known: Knowledge) -> Iterator[Row]:
    """A function of NNAPI's C interface."""
    for facts in known.functions:
        yield (facts,)


@table(text("name"), text("sources"), key=("name",), fields_of=Target, has_document=True)
def targets(known: Knowledge) -> Iterator[Row]:
    """What carries a model to the device, with its limits."""
    for target in known.targets:
        yield target.name, "\n".join(target.sources), target


@table(_TARGET, key=("target",), fields_of=LoaderFormat)
def target_formats(known: Knowledge) -> Iterator[Row]:
    """The serialized format of a target whose loader others wrote; the others have formats of this project's own."""
    for target in known.targets:
        if isinstance(target.format, LoaderFormat):
            yield target.name, target.format


@table(_TARGET, text("source"), integer("code"), key=("target", "source"))
def target_value_sources(known: Knowledge) -> Iterator[Row]:
    """A source of constants that the format of a target's loader knows."""
    for target in known.targets:
        if isinstance(target.format, LoaderFormat):
            for source, code in target.format.value_sources:
                yield target.name, source, code


@table(_TARGET, key=("target", "dtype"), fields_of=TargetInput)
def target_inputs(known: Knowledge) -> Iterator[Row]:
    """A dtype that a target accepts as a model's input."""
    for target in known.targets:
        for accepted in target.inputs:
            yield target.name, accepted


@table(integer("position"), key=("position",), fields_of=ImportRecord)
def imports(known: Knowledge) -> Iterator[Row]:
    """An import of a header or specification."""
    yield from enumerate(known.imports)


PLATFORM_TABLES = (
    levels,
    api_levels,
    types,
    enumeration_members,
    functions,
    targets,
    target_formats,
    target_value_sources,
    target_inputs,
    imports,
)
