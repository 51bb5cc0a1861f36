"""NNAPI's operations, read from ``coverage_db/nnapi/operations/*.toml``.

Left out of the text is what follows: an operand's level where it is its signature's, a signature's where it
is its operation's, and that an operand of a scalar type is a scalar.
"""

from __future__ import annotations

from pathlib import Path

from nnapi_check.coverage_db.spec import (
    FOREVER,
    BiasScale,
    Configuration,
    OperandFacts,
    OperandType,
    OperationFacts,
    QuantRule,
    QuantRuleKind,
    RankFacts,
    Signature,
    Trim,
    ZeroFacts,
)
from nnapi_check.coverage_db.text import Table, TextError, read_tables
from nnapi_check.coverage_db.user_documents import shown

NNAPI_DIRECTORY = Path(__file__).parent / "nnapi"
OPERATIONS_DIRECTORY = NNAPI_DIRECTORY / "operations"

ZERO_KINDS = ("batch", "size", "rois")


def load_operations(directory: Path = OPERATIONS_DIRECTORY) -> dict[str, OperationFacts]:
    """The facts of every operation in the TOML files of ``directory``, by name in order of their codes.

    Raises ``TextError`` where the text is malformed or an operation or code stands there twice.
    """
    operations: dict[str, OperationFacts] = {}
    names: dict[int, str] = {}
    for path in sorted(directory.glob("*.toml")):
        text = read_tables(path)
        for name in text.values:
            table = text.table(name)
            if name in operations:
                raise TextError(path, name, "", "the operation is described twice")
            facts = read_operation(name, table)
            if facts.code in names:
                raise table.fail("code", f"{facts.code} is already that of {names[facts.code]}")
            operations[name] = facts
            names[facts.code] = name
    if not operations:
        raise TextError(directory, "", "", "holds no operations")
    return {names[code]: operations[names[code]] for code in sorted(names)}


def read_operation(name: str, table: Table) -> OperationFacts:
    """The facts of one operation from its table."""
    since = _level(table, "since")
    kind, index = _main(table)
    nchw = table.table("nchw")
    facts = OperationFacts(
        name=name,
        code=table.integer("code"),
        since=since,
        main_kind=kind,
        main_index=index,
        types=_types_by_level(table, "types"),
        signatures=tuple(_signature(signature, since) for signature in table.tables("signatures")),
        outputs=_operands(table, "outputs", since),
        output_counts=_counts(table, "output_counts"),
        output_types=_types_by_level(table, "output_types"),
        same_type_only=_types_by_level(table, "same_type_only"),
        configurations=tuple(_configuration(row) for row in table.tables("configurations")),
        rank=_rank(table.table("rank")) if table.has("rank") else None,
        nchw_since=_level(nchw, "since") if table.has("nchw") else None,
        nchw_optional=nchw.flag("optional", default=True),
        zero=tuple(_zero(row) for row in table.tables("zero")),
        broadcasts=table.flag("broadcasts"),
        trims=tuple(_trim(row) for row in table.tables("trims")),
        since_from=table.text("since_from", default=""),
        types_from=table.text("types_from", default=""),
        notes=table.text("notes", default=""),
    )
    nchw.finish()
    table.finish()
    if not facts.signatures:
        raise table.fail("signatures", "is missing")
    return facts


def _level(table: Table, key: str) -> int:
    """A level; whether it is one of those in levels.toml is checked when the database is built."""
    level = table.integer(key)
    if not 1 <= level < FOREVER:
        raise table.fail(key, f"wants a feature level from 1 on, found {level}")
    return level


def _level_or(table: Table, key: str, default: int) -> int:
    return _level(table, key) if table.has(key) else default


def _main(table: Table) -> tuple[str | None, int | None]:
    """The main operand, written as "input 0"; an operation without the key has none."""
    if not table.has("main"):
        return None, None
    kind, _, index = table.text("main").partition(" ")
    if kind not in ("input", "output") or not index.isdigit():
        raise table.fail("main", f'wants "input" or "output" and an index, found {shown(table.values["main"])}')
    return kind, int(index)


def _types_by_level(table: Table, key: str) -> tuple[tuple[OperandType, int], ...]:
    """Types written by the level that added them, as pairs of type and level."""
    pairs: dict[OperandType, int] = {}
    levels = table.table(key)
    for level, written in levels.numbered():
        if not 1 <= level < FOREVER:
            raise levels.fail(written, "wants a feature level from 1 on as key")
        for kind in levels.choices(written, OperandType):
            if kind in pairs:
                raise levels.fail(written, f"{kind.name} was already added at level {pairs[kind]}")
            pairs[kind] = level
    return tuple(sorted(pairs.items(), key=lambda pair: (pair[1], pair[0])))


def _counts(table: Table, key: str) -> tuple[tuple[int, int], ...]:
    """Accepted counts, each with the level since which it is."""
    counts = table.table(key)
    return tuple((count, _level(counts, written)) for count, written in counts.numbered())


def _configuration(row: Table) -> Configuration:
    configuration = Configuration(
        since=_level(row, "since"),
        input=row.choice("input", OperandType),
        filter=row.choice("filter", OperandType),
        bias=row.choice("bias", OperandType),
        output=row.choice("output", OperandType),
        bias_scale=row.choice("bias_scale", BiasScale) if row.has("bias_scale") else None,
    )
    row.finish()
    return configuration


def _rank(row: Table) -> RankFacts:
    rank = RankFacts(
        min=row.optional_integer("min"),
        max=row.optional_integer("max"),
        from_start=row.integers("from_start"),
        other_since=_level(row, "other_since") if row.has("other_since") else None,
    )
    row.finish()
    return rank


def _zero(row: Table) -> ZeroFacts:
    zero = ZeroFacts(what=row.text("what"), since=_level(row, "since"), inputs=row.texts("inputs"))
    if zero.what not in ZERO_KINDS:
        raise row.fail("what", f"wants one of {', '.join(ZERO_KINDS)}, found {shown(zero.what)}")
    row.finish()
    return zero


def _trim(row: Table) -> Trim:
    trim = Trim(first=row.integer("first"), values=row.numbers("values"), together=row.integers("together"))
    row.finish()
    return trim


def _signature(table: Table, since: int) -> Signature:
    since = _level_or(table, "since", since)
    signature = Signature(
        name=table.text("name"),
        since=since,
        inputs=_operands(table, "inputs", since),
        counts=_counts(table, "counts"),
        is_variadic=table.flag("is_variadic"),
        fixed_inputs=table.optional_integer("fixed_inputs"),
    )
    table.finish()
    if signature.is_variadic == bool(signature.counts):
        raise table.fail("counts", "a signature is variadic or has counts of inputs, and not both")
    return signature


def _operands(table: Table, key: str, since: int) -> tuple[OperandFacts, ...]:
    operands = []
    for position, row in enumerate(table.tables(key)):
        operand = _operand(row, since)
        if operand.index is not None and operand.index != position:
            raise row.fail("index", f"wants {position}, the place in the list, found {operand.index}")
        operands.append(operand)
    return tuple(operands)


def _operand(row: Table, since: int) -> OperandFacts:
    kind = row.choice("type", OperandType) if row.has("type") else None
    by_main = row.table("type_by_main")
    is_scalar_type = kind is not None and not kind.is_tensor and kind is not OperandType.MODEL
    operand = OperandFacts(
        index=row.optional_integer("index"),
        since=_level_or(row, "since", since),
        is_scalar=row.flag("is_scalar", default=is_scalar_type or row.has("type_by_main")),
        optional=row.flag("optional"),
        default=row.number("default") if row.has("default") else None,
        type=kind,
        type_by_main=_type_by_main(by_main),
        role=row.text("role") if row.has("role") else None,
        rank=row.optional_integer("rank"),
        quant=tuple(_quant_rule(rule) for rule in row.tables("quant")),
        span=row.text("span") if row.has("span") else None,
        is_last=row.flag("is_last"),
    )
    row.finish()
    if (operand.index is None) == (operand.span is None):
        raise row.fail("index", "an operand has an index or, where it is repeated, a span, and not both")
    return operand


def _type_by_main(table: Table) -> tuple[tuple[OperandType | None, OperandType], ...]:
    """Types by the main operand's; "other" stands for every type that is not named."""
    return tuple(
        (None if name == "other" else table.as_member(name, OperandType, name), table.choice(name, OperandType))
        for name in table.values
    )


def _quant_rule(row: Table) -> QuantRule:
    rule = QuantRule(
        kind=row.choice("rule", QuantRuleKind),
        types=frozenset(row.choices("types", OperandType)),
        index=row.optional_integer("index"),
        scale=row.real("scale") if row.has("scale") else None,
        zero_point=row.optional_integer("zero_point"),
        dim=row.optional_integer("dim"),
        since=_level_or(row, "since", 1),
        until=_level_or(row, "until", FOREVER),
        when_main=frozenset(row.choices("when_main", OperandType)),
        when_filter=frozenset(row.choices("when_filter", OperandType)),
    )
    row.finish()
    if not rule.types:
        raise row.fail("types", "is missing")
    return rule
