"""What the registry knows, as rows and as text: ops, operations, differences and reasons."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Protocol

from nnapi_check.coverage_db.cards import Card, Way, WeightScales
from nnapi_check.coverage_db.differences import Difference, Reason
from nnapi_check.coverage_db.edits.demands import Demand, why_without_code
from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.public_names import names_like, ops_called
from nnapi_check.coverage_db.queries import UnknownNameError
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.coverage_db.status import RegistryStatus
from nnapi_check.coverage_db.way_levels import way_level
from nnapi_check.reports.changing.edit_text import known_edit_lines, known_edits
from nnapi_check.reports.status_text import origin_lines
from nnapi_check.reports.table import Fit, number, table, text
from nnapi_check.reports.terminal import wrapped

Row = dict[str, str | int | None]


class Known(Protocol):
    """What is read of the registry here."""

    def connect(self) -> sqlite3.Connection:
        """A copy of the database to ask in SQL."""

    def operation(self, name: str) -> OperationFacts:
        """One operation."""

    def has_card(self, op: str) -> bool:
        """Whether an op has a card."""

    def card(self, op: str) -> Card:
        """One card."""

    def differences(self) -> tuple[Difference, ...]:
        """Every difference."""

    def reasons(self) -> tuple[Reason, ...]:
        """Every reason."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An answer as text and as a document for machines."""

    text: str
    document: object


_SCALES = {
    WeightScales.ONE: "a weight's scales per channel are rounded to one: see rounded-scales",
    WeightScales.GROUPS: "a weight's scales per channel are rounded to one for each group: see rounded-scales",
}

_OPS = "SELECT op AS name, status, since AS level, becomes, summary FROM op_list"
_OPERATIONS = """
    SELECT name, 'operation' AS status, since AS level,
           (SELECT count(DISTINCT op) FROM operation_ops WHERE operation = name) || ' ops' AS becomes,
           COALESCE(
               (SELECT group_concat(replace(type, 'TENSOR_', ''), ', ')
                FROM (SELECT type FROM operation_types WHERE operation = name AND use = 'main' ORDER BY rowid)),
               '') AS summary
    FROM operations ORDER BY code
"""


_EVERY_NAME = """
    SELECT op FROM ops UNION ALL SELECT name FROM operations
    UNION ALL SELECT code FROM reasons UNION ALL SELECT id FROM differences
"""


_ASKED_FOR = frozenset({"operations", "functions", "ops", "ways", "requirements", "differences", "reasons", "examples"})
"""The tables that are counted first."""


class UnknownOpError(UserError):
    """A name stands for ops that have no card."""


def op_rows(registry: Known) -> list[Row]:
    """A row for every op: its status, the lowest level of any of its ways, and what it becomes."""
    return _rows(registry, _OPS)


def operation_rows(registry: Known) -> list[Row]:
    """A row for every NNAPI operation: the level it came with, its types, and the ops that become it."""
    return _rows(registry, _OPERATIONS)


def found_rows(words: Sequence[str], registry: Known) -> list[Row]:
    """Rows that have all of ``words``, whatever their case, after those of the ops that a public name stands for."""
    wanted = [word.lower() for word in words]
    ops = op_rows(registry)
    called = ops_called(" ".join(words), (str(row["name"]) for row in ops))
    first = [row for row in ops if row["name"] in called]
    others = (row for row in (*ops, *operation_rows(registry)) if row not in first)
    return [
        *first,
        *(row for row in others if all(word in " ".join(map(str, row.values())).lower() for word in wanted)),
    ]


def _rows(registry: Known, query: str) -> list[Row]:
    with closing(registry.connect()) as database:
        found = database.execute(query)
        names = [column[0] for column in found.description]
        return [dict(zip(names, values, strict=True)) for values in found]


def rows_text(rows: Sequence[Row], width: int | None = None) -> str:
    """Rows as a table, a line each where no ``width`` is given."""
    shown = [(row["name"], row["status"], row["level"] or "", row["becomes"]) for row in rows]
    return "\n".join(
        table(
            (text("name", Fit.OWN_LINE), text("status"), number("level"), text("becomes", Fit.FOLD)),
            shown,
            width=width,
        )
    )


def explained(name: str, registry: Known, *, whole: bool = True) -> Explained:
    """All that is known of an op, an operation, a difference or a reason code.

    Where that is not asked for ``whole``, the text about an op says what each way demands, and not why.
    """
    if registry.has_card(name):
        return _shortened(_card(registry.card(name), registry, whole=whole), whole=whole)
    for reason in registry.reasons():
        if reason.code == name.upper():
            return Explained(
                _sections(f"{reason.code}: {reason.title}", [("", reason.explanation), ("fix", reason.fix)]),
                asdict(reason),
            )
    for difference in registry.differences():
        if difference.id == name.lower():
            return _difference(difference)
    is_operation = name.upper() in _names(registry, "SELECT name FROM operations")
    if is_operation and name.isupper():
        return _operation(registry.operation(name.upper()), registry)
    ops = _names(registry, "SELECT op FROM ops ORDER BY rowid")
    close = [op for op in ops if name in op.split(".") or op.startswith(f"{name}.")]
    if not close:
        close = ops_called(name, ops)
        if close and not registry.has_card(close[0]):
            raise UnknownOpError(f"{name} is {' and '.join(close)}, of which nothing is known yet")
    if close:
        texts = [_card(registry.card(op), registry, whole=whole) for op in close]
        joined = Explained("\n\n".join(found.text for found in texts), [found.document for found in texts])
        return _shortened(joined, whole=whole)
    if is_operation:
        return _operation(registry.operation(name.upper()), registry)
    raise UnknownNameError("name", name, close_names(name, registry))


def close_names(name: str, registry: Known) -> tuple[str, ...]:
    """The names of ops, operations, reasons and differences that look like one that is none of them."""
    return names_like(name, _names(registry, _EVERY_NAME))


def _names(registry: Known, query: str, *values: str) -> list[str]:
    with closing(registry.connect()) as database:
        return [str(name) for (name,) in database.execute(query, values)]


def _shortened(found: Explained, *, whole: bool) -> Explained:
    """The answer, which says where the rest is told."""
    if whole or "    demands  " not in found.text:
        return found
    return Explained(
        f"{found.text}\n\n(--all tells why each demand is there, what to do, and what differs.)", found.document
    )


def _card(card: Card, registry: Known, *, whole: bool) -> Explained:
    lines = [card.op, *wrapped(card.summary, "  ")]
    if card.gap is not None:
        lines += ["", *wrapped(f"No way: {card.gap}", "  ")]
    if card.unwritten:
        lines += ["", *wrapped(f"No rule is written yet; {', '.join(card.unwritten)} could serve.", "  ")]
    if card.becomes:
        lines += ["", *wrapped(f"Read as {', '.join(card.becomes)} where {card.when}.", "  ")]
    if card.fix:
        lines += wrapped(f"Fix: {card.fix}", "  ")
    lines += wrapped(card.jumps.words, "  ") if card.jumps.words else []
    for way in card.ways:
        lines += ["", *_way(way, card.op, registry, whole=whole)]
    lines += known_edit_lines(card.op)
    if card.source and whole:
        lines += ["", *wrapped(f"Source: {card.source}", "  ")]
    document = {**asdict(card), "edits": [asdict(edit) for edit in known_edits(card.op)]}
    return Explained("\n".join(lines), document)


def _way(way: Way, op: str, registry: Known, *, whole: bool) -> Iterator[str]:
    becomes = ", ".join(emission.operation for emission in way.emits) or "nothing: the value passes through"
    yield f"  Way {way.name}: {way.status.value} from feature level {way_level(way, registry)}"
    yield from wrapped(becomes, "    becomes  ")
    if way.bound is not None:
        yield from wrapped(way.bound.words, "    bound    ")
    if way.quantized_bound is not None:
        yield from wrapped(f"Of quantized tensors: {way.quantized_bound.words}", "    bound    ")
    if way.halves is not None:
        sums = " or ".join(" + ".join(steps) for steps in way.halves.steps)
        told = f"Where whole multiples of {sums} lie halfway between two steps, every other such element is a step off."
        yield from wrapped(told, "    halves   ")
    if way.weight_scales is not WeightScales.OWN:
        yield from wrapped(_SCALES[way.weight_scales], "    scales   ")
    if way.rounding is not None:
        yield from wrapped(f"at most {way.rounding:g}, however small the result", "    rounds   ")
    for id_ in way.differences if whole else ():
        yield f"    differs  {id_}"
    for requirement in way.requires:
        until = f" (up to feature level {requirement.until})" if requirement.until is not None else ""
        if requirement.selects or not whole:
            label = "where" if requirement.selects else "demands"
            yield from wrapped(f"{requirement.condition}{until}", f"    {label:9}")
            continue
        yield from wrapped(f"{requirement.id}: {requirement.condition}{until}", "    demands  ")
        yield from wrapped(requirement.because, "             ")
        yield from wrapped(f"Fix: {requirement.fix}", "             ")
        why = why_without_code(Demand(op, requirement.id))
        if why is not None:
            yield from wrapped(f"Not as code: {why}", "             ")


def _operation(facts: OperationFacts, registry: Known) -> Explained:
    users = _names(registry, "SELECT DISTINCT op FROM operation_ops WHERE operation = ?", facts.name)
    lines = [f"{facts.name}: NNAPI operation {facts.code}, from feature level {facts.since}", ""]
    lines += table((text("element type"), number("from level")), [(kind.name, since) for kind, since in facts.types])
    for signature in facts.signatures:
        lines += ["", f"Inputs ({signature.name}), from feature level {signature.since}"]
        rows = [
            (
                operand.span or operand.index,
                operand.role or "",
                operand.type.name if operand.type is not None else "follows the main input",
                operand.since,
                "" if operand.default is None else operand.default,
            )
            for operand in signature.inputs
        ]
        columns = (text("input"), text("role", Fit.FOLD), text("type", Fit.FOLD), number("from level"))
        lines += table((*columns, text("default", Fit.FOLD)), rows)
    if facts.notes:
        lines += ["", *wrapped(facts.notes, "Note: ")]
    lines += ["", *wrapped(", ".join(users) or "none", "Ops that become it: ")]
    document = {"name": facts.name, "code": facts.code, "since": facts.since, "notes": facts.notes, "ops": users}
    return Explained("\n".join(lines), {**document, "types": {kind.name: since for kind, since in facts.types}})


def _difference(found: Difference) -> Explained:
    levels = f"feature level {found.since}" + (f" to {found.until}" if found.until is not None else " on")
    parts = [
        ("PyTorch", found.pytorch),
        ("NNAPI", found.nnapi),
        ("bridge", found.bridge),
        *([("range", found.input_range)] if found.inputs else []),
        ("holds from", levels),
        ("source", found.source),
    ]
    return Explained(_sections(f"{found.id}: {found.title}", parts), asdict(found))


def _sections(title: str, parts: Sequence[tuple[str, str]]) -> str:
    lines = [*wrapped(title, "")]
    for name, words in parts:
        lines += wrapped(words, f"  {name + ':' if name else '':12}")
    return "\n".join(lines)


def status_text(found: RegistryStatus, *, whole: bool = True) -> str:
    """The registry in numbers, ``whole`` or only the counts of what people ask for."""
    rows = [(counted.name, counted.rows, counted.title) for counted in found.tables]
    if not whole:
        rows = [row for row in rows if row[0] in _ASKED_FOR]
    lines = list(table((text("table"), number("rows"), text("a row is", Fit.FOLD)), rows))
    lines += [] if whole else [""]
    for title, names in (
        ("Operations that no op becomes", found.unmapped_operations),
        ("Ops without a way (gaps)", found.gaps),
        ("Ops whose rule is not written", found.unwritten_ops),
        ("Ways without a passing example", found.ways_without_example),
        ("Requirements without an example that breaks them", found.untested_requirements),
    ):
        counted = f"{title}: {len(names)}"
        lines += ["", counted, *(wrapped(", ".join(names), "  ") if names else [])] if whole else [counted]
    rest = (
        origin_lines(found) if whole else ("", "(--all tells their names, every table, and where the facts are from.)")
    )
    return "\n".join([*lines, *rest])
