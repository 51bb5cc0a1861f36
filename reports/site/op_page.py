"""What the page of an op tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.judging.failures import reason_of
from nnapi_check.coverage_db.cards import Card, Example, Way
from nnapi_check.coverage_db.checks import written
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.way_levels import Operations, main_argument, status_word, way_level, way_types
from nnapi_check.lowering.examples.measured_errors import MeasuredExample, Measurements
from nnapi_check.reports.changing.edit_text import KnownEdit, known_edits
from nnapi_check.reports.site.matrix import TYPE_WORDS


@dataclass(frozen=True, slots=True)
class TypeLine:
    """An element type of a way's first tensor, and the lowest level that has the way in it."""

    words: str
    operand_type: str
    since: int


@dataclass(frozen=True, slots=True)
class EmissionLine:
    """An operation that a way emits, with what is said of its main type and optional inputs."""

    operation: str
    note: str


@dataclass(frozen=True, slots=True)
class RequirementLine:
    """A requirement in words."""

    id: str
    condition: str
    because: str
    fix: str
    reason: str
    until: int | None
    selects: bool


@dataclass(frozen=True, slots=True)
class ExampleLine:
    """An example as a call, what is expected of it, and the error that was measured, where it was."""

    name: str
    call: str
    breaks: str | None
    measured: MeasuredExample | None


@dataclass(frozen=True, slots=True)
class WayView:
    """A way of an op."""

    name: str
    anchor: str
    status: str
    since: int
    layout: str
    bound: str | None
    first_tensor: str
    emits: tuple[EmissionLine, ...]
    types: tuple[TypeLine, ...]
    differences: tuple[str, ...]
    requires: tuple[RequirementLine, ...]
    examples: tuple[ExampleLine, ...]


@dataclass(frozen=True, slots=True)
class OpView:
    """An op: its ways, or why there is none. ``requires`` is what every way demands, where there are several, and
    ``edits`` what to write in place of some of its calls."""

    op: str
    family: str
    summary: str
    status: str
    since: int | None
    gap: str | None
    unwritten: tuple[str, ...]
    becomes: tuple[str, ...]
    when: str
    fix: str
    source: str
    requires: tuple[RequirementLine, ...]
    ways: tuple[WayView, ...]
    edits: tuple[KnownEdit, ...]
    has_measurements: bool


def op_view(card: Card, operations: Operations, measurements: Measurements) -> OpView:
    """What is known of an op."""
    shared = _shared(card.ways)
    ways = tuple(
        _way(card, way, number, operations, measurements, shared) for number, way in enumerate(card.ways, start=1)
    )
    return OpView(
        op=card.op,
        family=card.family.replace("_", " "),
        summary=card.summary,
        status=status_word(card),
        since=min((way.since for way in ways), default=None),
        gap=card.gap,
        unwritten=card.unwritten,
        becomes=card.becomes,
        when=card.when,
        fix=card.fix,
        source=card.source,
        requires=tuple(_requirement(requirement) for requirement in shared),
        ways=ways,
        edits=known_edits(card.op),
        has_measurements=any(line.measured is not None for way in ways for line in way.examples),
    )


def _shared(ways: Sequence[Way]) -> tuple[Requirement, ...]:
    """The requirements of every way, where there is more than one."""
    if len(ways) < 2:
        return ()
    return tuple(found for found in ways[0].requires if all(found in way.requires for way in ways))


def _way(
    card: Card,
    way: Way,
    number: int,
    operations: Operations,
    measurements: Measurements,
    shared: Sequence[Requirement],
) -> WayView:
    return WayView(
        name=way.name,
        anchor=f"way-{number}",
        status=way.status.value,
        since=way_level(way, operations),
        layout=way.layout.value,
        bound=None if way.bound is None else way.bound.words,
        first_tensor=main_argument(way),
        emits=tuple(_emissions(way)),
        types=tuple(_types(way_types(way, operations))),
        differences=way.differences,
        requires=tuple(_requirement(found) for found in way.requires if found not in shared),
        examples=tuple(
            ExampleLine(
                name=example.name,
                call=call_text(card.op, example),
                breaks=example.expect,
                measured=measurements.of(card.op, way.name, example.name),
            )
            for example in way.examples
        ),
    )


def _emissions(way: Way) -> Iterator[EmissionLine]:
    for emission in way.emits:
        notes = []
        if emission.type is not None:
            notes.append(f"in {emission.type.name}")
        elif emission.of:
            notes.append(f"in the type of {emission.of}")
        if emission.roles:
            notes.append(f"with {', '.join(emission.roles)}")
        yield EmissionLine(emission.operation, ", ".join(notes))


def _types(types: Sequence[tuple[OperandType, int]]) -> Iterator[TypeLine]:
    for kind, since in types:
        yield TypeLine(TYPE_WORDS[kind], kind.name, since)


def _requirement(found: Requirement) -> RequirementLine:
    reason = found.reason or reason_of(found.check)
    return RequirementLine(
        found.id, found.condition, found.because, found.fix, reason, found.until, selects=found.selects
    )


def call_text(op: str, example: Example) -> str:
    """An example as a call: ``max_pool2d(self: f32[1,2,7,9], kernel_size=(3, 2))``."""
    parts = [f"{name}: {_spec(spec)}" for name, spec in example.tensors]
    parts += [f"{name}={written(value)}" for name, value in example.args]
    call = f"{op.split('.')[1]}({', '.join(parts)})"
    return call + "".join(f"[{index}]" for index in example.reads)


def _spec(spec: str | tuple[str, ...]) -> str:
    return spec if isinstance(spec, str) else f"[{', '.join(spec)}]"
