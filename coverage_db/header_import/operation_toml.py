"""Facts of operations written as the registry's text: whole operations, and the value of each key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from nnapi_check.coverage_db.spec import (
    FOREVER,
    Configuration,
    OperandFacts,
    OperandType,
    OperationFacts,
    QuantRule,
    RankFacts,
    Signature,
    ZeroFacts,
)

_WIDTH = 120
_INDENT = "    "


def operation_text(facts: OperationFacts) -> str:
    """A whole operation: its table and those of its signatures."""
    lines = [f"[{facts.name}]"]
    lines += [f"{key} = {value}" for key, value in operation_values(facts)]
    for signature in facts.signatures:
        lines += ["", *signature_text(facts, signature).split("\n")]
    return "\n".join(lines)


def signature_text(facts: OperationFacts, signature: Signature) -> str:
    """A whole signature."""
    lines = [f"[[{facts.name}.signatures]]"]
    lines += [f"{key} = {value}" for key, value in signature_values(signature, facts.since)]
    return "\n".join(lines)


def operation_values(facts: OperationFacts) -> Iterator[tuple[str, str]]:
    """The keys of an operation's table with their values as text, in the order in which they are written."""
    yield "code", str(facts.code)
    yield "since", str(facts.since)
    if facts.main_kind is not None:
        yield "main", json.dumps(f"{facts.main_kind} {facts.main_index}")
    yield from _types("types", facts.types)
    yield from _types("output_types", facts.output_types)
    yield from _types("same_type_only", facts.same_type_only)
    if facts.broadcasts:
        yield "broadcasts", "true"
    if facts.rank is not None:
        yield "rank", _rank(facts.rank)
    if facts.nchw_since is not None:
        yield "nchw", f"{{ since = {facts.nchw_since}, optional = {json.dumps(facts.nchw_optional)} }}"
    if facts.zero:
        yield "zero", array("zero", (_zero(zero) for zero in facts.zero))
    if facts.configurations:
        yield "configurations", lined_array(configuration_text(row) for row in facts.configurations)
    if facts.trims:
        rows = (
            _table([("first", str(t.first)), ("values", json.dumps(list(t.values))), *_together(t.together)])
            for t in facts.trims
        )
        yield "trims", lined_array(rows)
    if facts.since_from:
        yield "since_from", json.dumps(facts.since_from)
    if facts.types_from:
        yield "types_from", json.dumps(facts.types_from)
    if facts.notes:
        yield "notes", json.dumps(facts.notes, ensure_ascii=False)
    if facts.output_counts:
        yield "output_counts", _counts(facts.output_counts)
    if facts.outputs:
        yield "outputs", lined_array(operand_text(operand, facts.since) for operand in facts.outputs)


def signature_values(signature: Signature, since: int) -> Iterator[tuple[str, str]]:
    """The keys of a signature's table with their values as text; ``since`` is the operation's level."""
    yield "name", json.dumps(signature.name)
    if signature.since != since:
        yield "since", str(signature.since)
    if signature.is_variadic:
        yield "is_variadic", "true"
    if signature.fixed_inputs is not None:
        yield "fixed_inputs", str(signature.fixed_inputs)
    if signature.counts:
        yield "counts", _counts(signature.counts)
    yield "inputs", lined_array(operand_text(operand, signature.since) for operand in signature.inputs)


def operand_text(operand: OperandFacts, since: int) -> str:
    """One operand as an inline table; ``since`` is the level of its list."""
    pairs: list[tuple[str, str]] = []
    if operand.index is not None:
        pairs.append(("index", str(operand.index)))
    if operand.span is not None:
        pairs.append(("span", json.dumps(operand.span)))
    if operand.is_last:
        pairs.append(("is_last", "true"))
    if operand.role is not None:
        pairs.append(("role", json.dumps(operand.role)))
    if operand.since != since:
        pairs.append(("since", str(operand.since)))
    if operand.type is not None:
        pairs.append(("type", json.dumps(operand.type.name)))
    if operand.type_by_main:
        named = [("other" if main is None else main.name, json.dumps(kind.name)) for main, kind in operand.type_by_main]
        pairs.append(("type_by_main", _table(named)))
    if operand.is_scalar != _follows_scalar(operand):
        pairs.append(("is_scalar", json.dumps(operand.is_scalar)))
    if operand.optional:
        pairs.append(("optional", "true"))
    if operand.default is not None:
        pairs.append(("default", json.dumps(operand.default)))
    if operand.rank is not None:
        pairs.append(("rank", str(operand.rank)))
    rules = [quant_text(rule) for rule in operand.quant]
    if not rules:
        return _table(pairs)
    whole = _table([*pairs, ("quant", f"[{', '.join(rules)}]")])
    if len(whole) + len(_INDENT) < _WIDTH:
        return whole
    inner = "".join(f"\n{_INDENT * 2}{rule}," for rule in rules)
    return _table([*pairs, ("quant", f"[{inner}\n{_INDENT}]")])


def _follows_scalar(operand: OperandFacts) -> bool:
    """What the reader takes an operand for where the text does not say whether it is a scalar."""
    is_scalar_type = operand.type is not None and not operand.type.is_tensor and operand.type is not OperandType.MODEL
    return is_scalar_type or bool(operand.type_by_main)


def quant_text(rule: QuantRule) -> str:
    """One quantization rule as an inline table."""
    pairs = [("rule", json.dumps(rule.kind.value))]
    for key, number in (
        ("index", rule.index),
        ("scale", rule.scale),
        ("zero_point", rule.zero_point),
        ("dim", rule.dim),
    ):
        if number is not None:
            pairs.append((key, json.dumps(number)))
    pairs.append(("types", _names(rule.types)))
    if rule.since != 1:
        pairs.append(("since", str(rule.since)))
    if rule.until != FOREVER:
        pairs.append(("until", str(rule.until)))
    for key, kinds in (("when_main", rule.when_main), ("when_filter", rule.when_filter)):
        if kinds:
            pairs.append((key, _names(kinds)))
    return _table(pairs)


def configuration_text(row: Configuration) -> str:
    """One combination of element types as an inline table."""
    pairs = [("since", str(row.since))]
    for key, kind in (("input", row.input), ("filter", row.filter), ("bias", row.bias), ("output", row.output)):
        pairs.append((key, json.dumps(kind.name)))
    if row.bias_scale is not None:
        pairs.append(("bias_scale", json.dumps(row.bias_scale.value)))
    return _table(pairs)


def array(key: str, items: Iterable[str]) -> str:
    """An array in one line, or in one line for each item where that is too long after ``key``."""
    listed = list(items)
    short = f"[{', '.join(listed)}]"
    return short if len(f"{key} = {short}") <= _WIDTH else lined_array(listed)


def lined_array(items: Iterable[str]) -> str:
    """An array with one line for each item."""
    return "[\n" + "".join(f"{_INDENT}{item},\n" for item in items) + "]"


def _types(key: str, pairs: Iterable[tuple[OperandType, int]]) -> Iterator[tuple[str, str]]:
    by_level: dict[int, list[OperandType]] = {}
    for kind, since in pairs:
        by_level.setdefault(since, []).append(kind)
    for since, kinds in sorted(by_level.items()):
        yield f"{key}.{since}", array(f"{key}.{since}", (json.dumps(kind.name) for kind in kinds))


def _rank(rank: RankFacts) -> str:
    pairs = [(key, str(bound)) for key, bound in (("min", rank.min), ("max", rank.max)) if bound is not None]
    if rank.from_start:
        pairs.append(("from_start", json.dumps(list(rank.from_start))))
    if rank.other_since is not None:
        pairs.append(("other_since", str(rank.other_since)))
    return _table(pairs)


def _zero(zero: ZeroFacts) -> str:
    pairs = [("what", json.dumps(zero.what)), ("since", str(zero.since))]
    if zero.inputs:
        pairs.append(("inputs", json.dumps(list(zero.inputs))))
    return _table(pairs)


def _together(indices: tuple[int, ...]) -> list[tuple[str, str]]:
    return [("together", json.dumps(list(indices)))] if indices else []


def _counts(counts: Iterable[tuple[int, int]]) -> str:
    return _table([(str(count), str(since)) for count, since in counts])


def _names(kinds: Iterable[OperandType]) -> str:
    return json.dumps([kind.name for kind in sorted(kinds)])


def _table(pairs: Iterable[tuple[str, str]]) -> str:
    return f"{{ {', '.join(f'{key} = {value}' for key, value in pairs)} }}"
