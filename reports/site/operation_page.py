"""What the page of an NNAPI operation tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.spec import (
    FOREVER,
    OperandFacts,
    OperandType,
    OperationFacts,
    QuantRule,
    QuantRuleKind,
    RankFacts,
)


@dataclass(frozen=True, slots=True)
class TypeRow:
    """An element type of the main operand: a level in ``since``, and what it is for."""

    name: str
    since: int
    use: str


@dataclass(frozen=True, slots=True)
class OperandRow:
    """An input or output in words."""

    position: str
    role: str
    type: str
    since: int
    default: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignatureView:
    """An input list; ``counts`` says how many inputs are accepted from which level."""

    name: str
    since: int
    counts: str
    inputs: tuple[OperandRow, ...]


@dataclass(frozen=True, slots=True)
class User:
    """An op that becomes the operation, and the names of the ways that do so."""

    op: str
    ways: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation."""

    name: str
    code: int
    since: int
    facts: tuple[str, ...]
    types: tuple[TypeRow, ...]
    signatures: tuple[SignatureView, ...]
    outputs: tuple[OperandRow, ...]
    configurations: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    users: tuple[User, ...]
    wanted_by: tuple[str, ...]


def users_by_operation(cards: Sequence[Card]) -> Mapping[str, tuple[User, ...]]:
    """The ops that become each operation, in the order of their cards."""
    found: dict[str, dict[str, list[str]]] = {}
    for card in cards:
        for way in card.ways:
            for operation in dict.fromkeys(part.operation for part in way.emits):
                found.setdefault(operation, {}).setdefault(card.op, []).append(way.name)
    return {name: tuple(User(op, tuple(ways)) for op, ways in ops.items()) for name, ops in found.items()}


def operation_view(facts: OperationFacts, users: Sequence[User], cards: Sequence[Card]) -> OperationView:
    """What is known of an operation, and the ops that become it or could."""
    return OperationView(
        name=facts.name,
        code=facts.code,
        since=facts.since,
        facts=tuple(_sentences(facts)),
        types=tuple(_types(facts)),
        signatures=tuple(
            SignatureView(found.name, found.since, _counts(found.counts), _operands(found.inputs, "input", facts))
            for found in facts.signatures
        ),
        outputs=_operands(facts.outputs, "output", facts),
        configurations=tuple(
            (
                found.input.name,
                found.filter.name,
                found.bias.name,
                "" if found.bias_scale is None else found.bias_scale.value,
                found.output.name,
                str(found.since),
            )
            for found in facts.configurations
        ),
        notes=tuple(part.strip() for part in facts.notes.split("\n\n") if part.strip()),
        users=tuple(users),
        wanted_by=tuple(card.op for card in cards if facts.name in card.unwritten),
    )


def _types(facts: OperationFacts) -> Iterator[TypeRow]:
    main = f"{facts.main_kind} {facts.main_index}" if facts.main_kind is not None else "main operand"
    for use, types in ((main, facts.types), ("outputs", facts.output_types), ("same type only", facts.same_type_only)):
        for kind, since in types:
            yield TypeRow(kind.name, since, use)


def _sentences(facts: OperationFacts) -> Iterator[str]:
    if facts.rank is not None:
        yield _rank(facts.rank)
    if facts.nchw_since is not None:
        optional = "" if facts.nchw_optional else ", and must be given"
        yield f"A flag chooses between NHWC and NCHW from feature level {facts.nchw_since}{optional}."
    if facts.broadcasts:
        yield "Shapes of its inputs are broadcast."
    for zero in facts.zero:
        where = f" of input{'s' if len(zero.inputs) > 1 else ''} {', '.join(zero.inputs)}" if zero.inputs else ""
        yield f"{_ZERO_WORDS[zero.what]}{where} may be 0 from feature level {zero.since}."
    if facts.output_counts:
        yield f"Outputs: {_counts(facts.output_counts)}."


_ZERO_WORDS = {"batch": "The batch", "rois": "The number of regions", "size": "Any dimension"}


def _rank(rank: RankFacts) -> str:
    span = f"{rank.min or 0} to {rank.max}" if rank.max is not None else f"{rank.min or 0} or more"
    words = f"Rank {rank.min if rank.min == rank.max and rank.min is not None else span}"
    if rank.from_start and rank.other_since is not None:
        first = ", ".join(map(str, rank.from_start))
        return f"{words}; below feature level {rank.other_since} only {first}."
    return f"{words}."


def _counts(counts: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{count} from level {since}" for count, since in counts) or "any number"


def _operands(rows: Sequence[OperandFacts], kind: str, facts: OperationFacts) -> tuple[OperandRow, ...]:
    main = facts.main_index if facts.main_kind == kind else None
    return tuple(_operand(row, is_main=main is not None and row.index == main) for row in rows)


def _operand(facts: OperandFacts, *, is_main: bool) -> OperandRow:
    return OperandRow(
        position=facts.span if facts.span is not None else str(facts.index),
        role=(facts.role or "").replace("_", " "),
        type=_type(facts, is_main=is_main),
        since=facts.since,
        default=_default(facts),
        rules=tuple(_rule(rule) for rule in facts.quant),
    )


def _type(facts: OperandFacts, *, is_main: bool) -> str:
    words = "any of the element types above" if is_main else "follows the main operand"
    if facts.type is not None:
        words = facts.type.name
    elif facts.type_by_main:
        words = ", ".join(
            f"{kind.name} with {main.name if main is not None else 'others'}" for main, kind in facts.type_by_main
        )
    elif facts.is_scalar:
        words = "a scalar"
    return f"{words}, rank {facts.rank}" if facts.rank is not None else words


def _default(facts: OperandFacts) -> str:
    if facts.default is not None:
        return str(facts.default).lower() if isinstance(facts.default, bool) else str(facts.default)
    return "may be omitted" if facts.optional else ""


def _rule(rule: QuantRule) -> str:
    words = f"{_names(rule.types)}: {_rule_words(rule)}"
    if rule.when_main:
        words += f", where input 0 is {_names(rule.when_main)}"
    if rule.when_filter:
        words += f", where the filter is {_names(rule.when_filter)}"
    if rule.since > 1:
        words += f", from level {rule.since}"
    return words + (f", up to level {rule.until}" if rule.until < FOREVER else "")


def _rule_words(rule: QuantRule) -> str:
    match rule.kind:
        case QuantRuleKind.SAME_AS_INPUT:
            return f"scale and zero point of input {rule.index}"
        case QuantRuleKind.SAME_AS_INPUTS:
            return "scale and zero point of the inputs"
        case QuantRuleKind.SAME_AS_OUTPUT:
            return f"scale and zero point of output {rule.index}"
        case QuantRuleKind.FIXED:
            scale = "any" if rule.scale is None else f"{rule.scale:g}"
            return f"scale {scale}, zero point {'any' if rule.zero_point is None else rule.zero_point}"
        case QuantRuleKind.CHANNEL_DIM:
            return f"a scale for each channel of dimension {rule.dim}"
        case _:
            words: str = rule.kind.value
            return words.replace("-", " ")


def _names(types: frozenset[OperandType]) -> str:
    return ", ".join(kind.name for kind in sorted(types))
