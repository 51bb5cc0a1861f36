"""What a higher feature level adds: to each operation, and through the cards to each op of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from nnapi_check.coverage_db.cards import Card, Status, Way
from nnapi_check.coverage_db.spec import FOREVER, FunctionFacts, OperandFacts, OperandType, OperationFacts
from nnapi_check.coverage_db.way_levels import Operations, way_types

_BEST_FIRST = (Status.NATIVE, Status.LOWERED, Status.APPROXIMATE, Status.CPU)


class Known(Operations, Protocol):
    """What is read of the registry here."""

    def operations(self) -> tuple[OperationFacts, ...]:
        """Every operation."""

    def functions(self) -> tuple[FunctionFacts, ...]:
        """Every function of the C interface."""

    def cards(self) -> tuple[Card, ...]:
        """Every card."""


@dataclass(frozen=True, slots=True)
class OperationChange:
    """What a higher level adds to one operation, in words. A new one is there at no lower level."""

    operation: str
    is_new: bool
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpChange:
    """An op that a higher level lowers better, for first tensors of these types.

    ``before`` is CPU where no way served. ``way`` serves now, ``lifted`` are the requirements of it that are demanded
    no more.
    """

    op: str
    types: tuple[OperandType, ...]
    before: Status
    after: Status
    way: str
    lifted: tuple[str, ...] = ()

    @property
    def is_newly_exact(self) -> bool:
        """Whether an approximation gave way to an exact way."""
        return self.before is Status.APPROXIMATE and self.after in (Status.NATIVE, Status.LOWERED)


@dataclass(frozen=True, slots=True)
class LevelChanges:
    """All that changes from one feature level to a higher one. ``functions`` of the C interface are new."""

    lower: int
    higher: int
    operations: tuple[OperationChange, ...]
    ops: tuple[OpChange, ...]
    functions: tuple[str, ...] = ()


def level_changes(known: Known, lower: int, higher: int) -> LevelChanges:
    """What level ``higher`` has that ``lower`` has not. Raises ``ValueError`` where it is the lower one."""
    if higher < lower:
        raise ValueError(f"feature level {higher} is below {lower}: name the lower one first")
    operations = (_operation_change(facts, lower, higher) for facts in known.operations())
    ops = (change for card in known.cards() for change in _op_changes(card, known, lower, higher))
    functions = tuple(facts.name for facts in known.functions() if lower < facts.since <= higher)
    return LevelChanges(lower, higher, tuple(found for found in operations if found is not None), tuple(ops), functions)


def _operation_change(facts: OperationFacts, lower: int, higher: int) -> OperationChange | None:
    if facts.since > higher:
        return None
    if facts.since > lower:
        types = ", ".join(kind.name for kind, since in facts.types if since <= higher)
        return OperationChange(facts.name, True, (f"from level {facts.since}{': ' + types if types else ''}",))
    added = tuple(_added(facts, range(lower + 1, higher + 1)))
    return OperationChange(facts.name, False, added) if added else None


def _added(facts: OperationFacts, levels: range) -> Iterator[str]:
    """What these levels add to an operation that was there before."""
    for what, pairs in (
        ("type", facts.types),
        ("output type", facts.output_types),
        ("same type only", facts.same_type_only),
    ):
        for kind, since in pairs:
            if since in levels:
                yield f"{what} {kind.name}"
    for row in facts.configurations:
        if row.since in levels:
            yield f"{row.input.name} with a filter of {row.filter.name}"
    if facts.nchw_since in levels:
        yield "layout flag for NCHW"
    rank = facts.rank
    if rank is not None and rank.other_since in levels:
        yield f"ranks other than {' and '.join(map(str, rank.from_start))}"
    for zero in facts.zero:
        if zero.since in levels:
            yield {"batch": "batches of zero", "rois": "no regions of interest"}.get(zero.what, "zero-sized tensors")
    for signature in facts.signatures:
        where = "" if signature.name == "default" else f" ({signature.name})"
        if signature.since in levels:
            yield f"inputs{where}"
            continue
        yield from (f"{words}{where}" for words in _operands("input", signature.inputs, levels) if "nchw" not in words)
    yield from _operands("output", facts.outputs, levels)
    if any(_ends(operand, levels) for operand in _all_operands(facts)):
        yield "a demand on scales or padding is dropped"


def _operands(what: str, operands: Sequence[OperandFacts], levels: range) -> Iterator[str]:
    for operand in operands:
        if operand.since in levels:
            place = operand.index if operand.index is not None else operand.span
            yield f"{what} {place}{' ' + operand.role if operand.role else ''}"


def _all_operands(facts: OperationFacts) -> Iterator[OperandFacts]:
    for signature in facts.signatures:
        yield from signature.inputs
    yield from facts.outputs


def _ends(operand: OperandFacts, levels: range) -> bool:
    return any(rule.until != FOREVER and rule.until + 1 in levels for rule in operand.quant)


def _op_changes(card: Card, known: Operations, lower: int, higher: int) -> Iterator[OpChange]:
    """The changes of one op; types that change alike are told together."""
    served = [(way, dict(way_types(way, known))) for way in card.ways]
    alike: dict[tuple[Status, Status, str, tuple[str, ...]], list[OperandType]] = {}
    for kind in dict.fromkeys(kind for _, types in served for kind in types):
        at = [(way, types[kind]) for way, types in served if kind in types]
        before, after = _best(at, lower), _best(at, higher)
        if after is None:
            continue
        lifted = _lifted(after, lower, higher)
        status = before.status if before is not None else Status.CPU
        if _BEST_FIRST.index(after.status) < _BEST_FIRST.index(status) or (lifted and after is before):
            alike.setdefault((status, after.status, after.name, lifted if after is before else ()), []).append(kind)
    for (status, now, way, lifted), kinds in alike.items():
        yield OpChange(card.op, tuple(kinds), status, now, way, lifted)


def _best(ways: Sequence[tuple[Way, int]], level: int) -> Way | None:
    """The best way that serves at a level: exact before approximate, one operation before several."""
    found = [way for way, since in ways if since <= level]
    return min(found, key=lambda way: _BEST_FIRST.index(way.status), default=None)


def _lifted(way: Way, lower: int, higher: int) -> tuple[str, ...]:
    """The requirements of a way that are demanded at the lower level and not at the higher."""
    demands = (requirement for requirement in way.requires if requirement.until is not None)
    return tuple(demand.id for demand in demands if demand.until is not None and lower <= demand.until < higher)
