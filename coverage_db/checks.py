"""The closed vocabulary of checks that a card's requirements are written in.

A check speaks of *quantities* of a node, written as paths:

- an argument of the op's schema: ``dilation``, ``dilation[0]``, ``padding[1:]``;
- a property of a tensor argument: ``self.shape``, ``self.shape[-2:]``, ``self.rank``, ``self.dtype``, ``self.numel``,
  ``self.scale``, ``self.zero_point``, ``self.zero_points`` (one, or one for each channel), ``self.quantization``
  (``none``, ``per-tensor``, ``per-channel``), ``self.scale_groups`` (how many groups of integers of one scale),
  ``self.whole_scale`` (one scale that reaches as far as those of all channels), ``self.producer`` (the op that computes
  it, ``input`` or ``constant``), ``self.uses`` (how many read it),
  ``self.data`` (the elements of a small constant);
- the same of the node's outputs: ``output.shape``, ``output1.dtype``; of a list of tensors, a tuple: ``tensors.rank``;
- ``chosen.per_channel``: what the user chose for scales per channel, as ``PerChannelChoice`` writes it;
- ``len(x)``, ``prod(x)``, ``min(x)``, ``max(x)``, ``sum(x)`` of a tuple, and ``+ - *``, element by element:
  ``dilation * (weight.shape[2:] - 1)``, ``self.scale * weight.scale``.

Compared with a single number, a tuple holds if every element does. The evaluator is ``analyzer/quantities.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.user_documents import shown

CHOSEN = "chosen"
"""What quantities call the user's choice."""

Constant = bool | int | float | str
ConstantOrTuple = Constant | tuple[Constant, ...]


class CardError(UserError):
    """A card is malformed: the message names the file, the op and the key, what was found and what was wanted."""


class Relation(Enum):
    """How a quantity is compared, with the words that report it."""

    EQUALS = "equals"
    DIFFERS = "differs"
    LESS = "less"
    AT_MOST = "at-most"
    GREATER = "greater"
    AT_LEAST = "at-least"
    MULTIPLE_OF = "multiple-of"
    ONE_OF = "one-of"


@dataclass(frozen=True, slots=True)
class Compare:
    """``arg`` stands in ``relation`` to ``value``, or to the quantity ``other`` where that is set."""

    relation: Relation
    arg: str
    value: ConstantOrTuple = ()
    other: str | None = None


@dataclass(frozen=True, slots=True)
class IsConstant:
    """The tensor depends on no input's values: a parameter, or computed from constants."""

    arg: str


@dataclass(frozen=True, slots=True)
class IsAbsent:
    """The optional argument is not given."""

    arg: str


@dataclass(frozen=True, slots=True)
class IsKnown:
    """The number or list is known before execution."""

    arg: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the checks holds."""

    of: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the checks hold."""

    of: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The check does not hold."""

    of: Check


Check = Compare | IsConstant | IsAbsent | IsKnown | AnyOf | AllOf | Not

_WORDS = {
    Relation.EQUALS: "is",
    Relation.DIFFERS: "is not",
    Relation.LESS: "is below",
    Relation.AT_MOST: "is at most",
    Relation.GREATER: "is above",
    Relation.AT_LEAST: "is at least",
    Relation.MULTIPLE_OF: "is a multiple of",
    Relation.ONE_OF: "is one of",
}


def wording(check: Check) -> str:
    """The check in words: the one wording that reports, pages and ``explain`` share."""
    match check:
        case Compare(Relation.AT_LEAST, arg, 0, None) if arg.endswith(".rank"):
            return f"{arg.removesuffix('.rank')} is a tensor"
        case Compare(Relation.MULTIPLE_OF, arg, 1, None):
            return f"{arg} is a whole number"
        case Compare(relation, arg, value, other):
            return f"{arg} {_WORDS[relation]} {other if other is not None else written(value)}"
        case IsConstant(arg):
            return f"{arg} is a constant"
        case IsAbsent(arg):
            return f"{arg} is not given"
        case IsKnown(arg):
            return f"{arg} is known before execution"
        case AnyOf(of):
            pair = _one_type(of)
            if pair:
                return f"{pair[0]} is {pair[1]} (i32 and i64 are one)"
            return " or ".join(wording(part) for part in of)
        case AllOf(of):
            return " and ".join(
                f"either {wording(part)}" if isinstance(part, AnyOf) and not _one_type(part.of) else wording(part)
                for part in of
            )
        case Not(of):
            return _opposite(of)


def _one_type(of: tuple[Check, ...]) -> tuple[str, str] | None:
    """The two element types that are demanded to be one, where NNAPI has but one for the whole numbers of PyTorch."""
    match of:
        case (
            Compare(Relation.EQUALS, left, _, str(right)),
            AllOf((Compare(Relation.ONE_OF, first, ("i32", "i64")), Compare(Relation.ONE_OF, second, ("i32", "i64")))),
        ) if {left, right} == {first, second}:
            return left, right
        case _:
            return None


def _opposite(check: Check) -> str:
    """A check that must not hold, in words."""
    match check:
        case Compare(Relation.AT_LEAST, arg, 0, None) if arg.endswith(".rank"):
            return f"{arg.removesuffix('.rank')} is a number"
        case Compare(Relation.EQUALS, arg, value, other):
            return wording(Compare(Relation.DIFFERS, arg, value, other))
        case Compare(Relation.MULTIPLE_OF, arg, value, None):
            return f"{arg} is no multiple of {written(value)}"
        case IsAbsent(arg):
            return f"{arg} is given"
        case IsConstant(arg):
            return f"{arg} is computed at run time"
        case AnyOf(of) if pair := _one_type(of):
            return f"{pair[0]} is another type than {pair[1]}"
        case AllOf(of):
            return " or ".join(_opposite(part) for part in of)
        case AnyOf(of):
            return " and ".join(_opposite(part) for part in of)
        case Not(of):
            return wording(of)
        case Compare() | IsKnown():
            return f"it does not hold that {wording(check)}"


def quantities(check: Check) -> tuple[str, ...]:
    """Every quantity the check speaks of, in order, each once."""
    found: tuple[str, ...]
    match check:
        case Compare(_, arg, _, other):
            found = (arg,) if other is None else (arg, other)
        case IsConstant(arg) | IsAbsent(arg) | IsKnown(arg):
            found = (arg,)
        case AnyOf(of) | AllOf(of):
            found = tuple(quantity for part in of for quantity in quantities(part))
        case Not(of):
            found = quantities(of)
    return tuple(dict.fromkeys(found))


def written(value: object) -> str:
    """A value as a reader of Python would write it: ``(1, 2)``, ``True``, ``0.5``."""
    if isinstance(value, tuple):
        return "(" + ", ".join(written(item) for item in value) + ("," if len(value) == 1 else "") + ")"
    return value if isinstance(value, str) else repr(value)


def parse_check(raw: object, where: str) -> Check:
    """Read a check from a card's table. ``where`` names the card and requirement in errors."""
    if not isinstance(raw, Mapping):
        raise CardError(f"{where}: a check is a table with `kind`, found {shown(raw)}")
    table = dict(raw)
    kind = table.pop("kind", None)
    match kind:
        case "constant" | "absent" | "known":
            arg = _text(table.pop("arg", None), f"{where}: `arg`")
            _nothing_left(table, where)
            if kind == "constant":
                return IsConstant(arg)
            return IsAbsent(arg) if kind == "absent" else IsKnown(arg)
        case "any-of" | "all-of":
            parts = table.pop("of", None)
            _nothing_left(table, where)
            if not isinstance(parts, list) or not parts:
                raise CardError(f"{where}: `of` is a list of checks, found {shown(parts)}")
            of = tuple(parse_check(part, where) for part in parts)
            return AnyOf(of) if kind == "any-of" else AllOf(of)
        case "not":
            inner = parse_check(table.pop("of", None), where)
            _nothing_left(table, where)
            return Not(inner)
        case str() if kind in {relation.value for relation in Relation}:
            arg = _text(table.pop("arg", None), f"{where}: `arg`")
            if ("value" in table) == ("other" in table):
                raise CardError(f"{where}: `{kind}` takes either `value` or `other`")
            other = table.pop("other", None)
            value = table.pop("value", ())
            _nothing_left(table, where)
            return Compare(
                Relation(kind), arg, _frozen(value, where), None if other is None else _text(other, f"{where}: `other`")
            )
        case _:
            known = [relation.value for relation in Relation]
            raise CardError(
                f"{where}: unknown check {shown(kind)}; there are constant, absent, known, any-of, all-of, not, "
                + ", ".join(known)
            )


def _text(raw: object, where: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise CardError(f"{where} is a name, found {shown(raw)}")
    return raw


def _frozen(raw: object, where: str) -> ConstantOrTuple:
    if isinstance(raw, bool | int | float | str):
        return raw
    if isinstance(raw, list | tuple) and all(isinstance(item, bool | int | float | str) for item in raw):
        return tuple(raw)
    raise CardError(f"{where}: a value is a number, a text or a list of them, found {shown(raw)}")


def _nothing_left(table: Mapping[str, object], where: str) -> None:
    if table:
        raise CardError(f"{where}: unknown keys in a check: {', '.join(sorted(map(str, table)))}")
