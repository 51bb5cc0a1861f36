"""From which feature level a way can serve, by the element type of its node's first tensor, read from the facts.

A level here is the lowest at which the way may fit: what a node's other tensors, its ranks and its arguments ask
for can only raise it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from nnapi_check.coverage_db.cards import Card, Emission, Status, Way
from nnapi_check.coverage_db.checks import AllOf, AnyOf, CardError, Check, Compare, Constant, Not, Relation
from nnapi_check.coverage_db.spec import OperandType, OperationFacts

MAIN_TYPES: dict[OperandType, tuple[str, ...]] = {
    OperandType.TENSOR_FLOAT32: ("f32",),
    OperandType.TENSOR_FLOAT16: ("f16",),
    OperandType.TENSOR_QUANT8_ASYMM: ("quint8", "qint8"),
    OperandType.TENSOR_INT32: ("i32", "i64"),
    OperandType.TENSOR_BOOL8: ("bool",),
}
"""The operand types that PyTorch's tensors become, with the element types that become them."""

_SINCE = {OperandType.TENSOR_FLOAT16: 3, OperandType.TENSOR_BOOL8: 3}
"""The level of a type itself, where it is not the first: a way without operations asks for no more."""

_BEST_FIRST = (Status.NATIVE, Status.LOWERED, Status.APPROXIMATE)


class Operations(Protocol):
    """Where operations are looked up."""

    def operation(self, name: str) -> OperationFacts:
        """The facts of an operation."""


def best_status(ways: Sequence[Way]) -> Status:
    """The status of the best way: exact before approximate, one operation before several; CPU without a way."""
    return min((way.status for way in ways), key=_BEST_FIRST.index, default=Status.CPU)


def status_word(card: Card) -> str:
    """The status of an op in a word: that of its best way, or why there is none."""
    if card.ways:
        return best_status(card.ways).value
    if card.becomes:
        return "rewritten"
    return "gap" if card.gap is not None else "unwritten"


def way_level(way: Way, operations: Operations) -> int:
    """The lowest feature level that has every operation of a way, in any of the element types that the way takes."""
    levels = [level for _, level in way_types(way, operations)]
    if levels:
        return min(levels)
    return max((_emission_level(emission, None, operations) or 1 for emission in way.emits), default=1)


def way_types(way: Way, operations: Operations) -> tuple[tuple[OperandType, int], ...]:
    """The types that a way may take as its first tensor, each with its lowest feature level.

    A type is left out where an operation refuses it at every level, or a requirement surely does.
    """
    found = ((kind, _level_in(way, kind, operations)) for kind in MAIN_TYPES if not _is_refused(way, kind))
    return tuple((kind, level) for kind, level in found if level is not None)


def _level_in(way: Way, kind: OperandType, operations: Operations) -> int | None:
    level = _SINCE.get(kind, 1)
    for emission in way.emits:
        needed = _emission_level(emission, kind, operations)
        if needed is None:
            return None
        level = max(level, needed)
    return level


def _emission_level(emission: Emission, kind: OperandType | None, operations: Operations) -> int | None:
    """The lowest level that has an emitted operation; None where it takes ``kind`` at no level."""
    facts = operations.operation(emission.operation)
    # What is computed on the way, or another argument, need not have the type of the first tensor.
    main = emission.type if emission.type is not None else None if emission.of else kind
    since = min((level for _, level in facts.types), default=facts.since)
    if main is not None and facts.types:
        found = facts.type_since(main)
        if found is None:
            return None
        since = found
    return max(facts.since, since, *(role_since(facts, role) for role in emission.roles))


@lru_cache(maxsize=1024)
def role_since(facts: OperationFacts, role: str) -> int:
    """The level since which an operation has an input that plays ``role``. Raises ``CardError`` where none does."""
    found = [operand.since for signature in facts.signatures for operand in signature.inputs if operand.role == role]
    if not found:
        raise CardError(f"{facts.name} has no input that plays {role!r}")
    return min(found)


def _is_refused(way: Way, kind: OperandType) -> bool:
    first = main_argument(way)
    checks = [requirement.check for requirement in way.requires if requirement.until is None]
    return all(any(_holds(check, first, dtype) is False for check in checks) for dtype in MAIN_TYPES[kind])


def main_argument(way: Way) -> str:
    """What the way's first tensor is called, as its examples give it; ``self`` where they do not."""
    return next((name for example in way.examples for name, _ in example.tensors), "self")


def _holds(check: Check, first: str, dtype: str) -> bool | None:
    """Whether a check holds where the first tensor has this element type; None where more must be known."""
    match check:
        case Compare(relation, arg, value, None) if arg in (f"{first}.dtype", f"{first}.quantization"):
            is_quantized = dtype.startswith("q")
            found = dtype if arg.endswith("dtype") else "per-tensor" if is_quantized else "none"
            if arg.endswith("quantization") and is_quantized:
                # Per channel is possible as well, so only `none` is sure.
                return False if relation is Relation.EQUALS and value == "none" else None
            return _compared(relation, found, value)
        case AnyOf(of):
            answers = [_holds(part, first, dtype) for part in of]
            return True if True in answers else None if None in answers else False
        case AllOf(of):
            answers = [_holds(part, first, dtype) for part in of]
            return False if False in answers else None if None in answers else True
        case Not(of):
            answer = _holds(of, first, dtype)
            return None if answer is None else not answer
        case _:
            return None


def _compared(relation: Relation, found: str, value: Constant | tuple[Constant, ...]) -> bool | None:
    match relation:
        case Relation.EQUALS:
            return found == value
        case Relation.DIFFERS:
            return found != value
        case Relation.ONE_OF if isinstance(value, tuple):
            return found in value
        case _:
            return None
