"""What the registry knows of an operation, joined with what a document says of it.

A document only adds. What it says otherwise is taken in where the document knows of a higher level than any before,
and else disputed: what was decided by hand stays. A document of an older level is silent on what came later, so
nothing is ever removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import TypeVar

from nnapi_check.coverage_db.spec import OperandFacts, OperandType, OperationFacts, QuantRule, Signature


class ChangeKind(Enum):
    """What becomes of something that the document says and the registry does not, or says otherwise."""

    NEW_LEVEL = "new level"
    NEW_OPERATION = "new operation"
    NEW_TYPE = "new element type"
    SIGNATURE = "changed signature"
    FACT = "changed fact"
    MEMBER = "new member"
    FUNCTION = "new function"
    DISPUTED = "disputed"
    """The registry says otherwise, and keeps what it says until it is changed by hand."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between document and registry. ``suggested`` are ops that could use a new operation."""

    kind: ChangeKind
    subject: str
    words: str
    suggested: tuple[str, ...] = ()

    @property
    def is_taken(self) -> bool:
        """Whether the import takes it in."""
        return self.kind is not ChangeKind.DISPUTED


T = TypeVar("T")
Types = tuple[tuple[OperandType, int], ...]
Counts = tuple[tuple[int, int], ...]

_KEPT_BY_HAND = frozenset({"index", "span", "quant"})


@dataclass(frozen=True, slots=True)
class Reach:
    """How far document and registry know NNAPI: the highest feature level of each."""

    document: int
    registry: int

    @property
    def is_newer(self) -> bool:
        """Whether the document knows of a higher level than the registry has taken in."""
        return self.document > self.registry

    @property
    def is_older(self) -> bool:
        """Whether the registry has taken in a higher level than the document knows of."""
        return self.document < self.registry

    def must_know(self, since: int) -> bool:
        """Whether a document of this level would say what is there from level ``since`` on."""
        return self.document >= max(since, self.registry)


@dataclass(slots=True)
class Merge:
    """Joins the facts of one operation. ``changes`` tells what is new, what changes, and what is disputed."""

    known: OperationFacts
    read: OperationFacts
    reach: Reach
    changes: list[Change] = field(default_factory=list)

    def run(self) -> OperationFacts:
        """The joined facts. A document older than what the registry knows changes nothing, and is only told of."""
        joined = self._joined()
        if not self.reach.is_older:
            return joined
        self.changes = [replace(change, kind=ChangeKind.DISPUTED) for change in self.changes]
        return self.known

    def _joined(self) -> OperationFacts:
        known, read = self.known, self.read
        self._note_if(known.code != read.code, f"code {known.code}, read {read.code}")
        self._note_if(known.since != read.since, f"from level {known.since}, read {read.since}")
        return replace(
            known,
            since_from=read.since_from if self.reach.is_newer else known.since_from,
            types_from=known.types_from if known.types else read.types_from,
            main_kind=known.main_kind if known.main_kind is not None else read.main_kind,
            main_index=known.main_index if known.main_index is not None else read.main_index,
            types=self._types("", known.types, read.types),
            output_types=self._types("output ", known.output_types, read.output_types),
            same_type_only=self._types("same type only: ", known.same_type_only, read.same_type_only),
            configurations=known.configurations + self._new("combination", known.configurations, read.configurations),
            rank=self._value("rank", known.rank, read.rank),
            nchw_since=self._value("layout flag from level", known.nchw_since, read.nchw_since),
            nchw_optional=known.nchw_optional if known.nchw_since is not None else read.nchw_optional,
            zero=self._value("zero-sized tensors", known.zero or None, read.zero or None) or (),
            broadcasts=known.broadcasts or (read.broadcasts and self._added("broadcasts")),
            signatures=self._signatures(),
            outputs=self._operands("output", known.outputs, read.outputs),
            output_counts=self._counts("outputs", known.output_counts, read.output_counts),
        )

    def _note(self, kind: ChangeKind, words: str) -> None:
        self.changes.append(Change(kind, self.known.name, words))

    def _note_if(self, condition: object, words: str) -> None:
        if condition:
            self._note(ChangeKind.DISPUTED, words)

    def _added(self, words: str) -> bool:
        self._note(ChangeKind.FACT, words)
        return True

    def _types(self, prefix: str, known: Types, read: Types) -> Types:
        joined = dict(known)
        for kind, since in read:
            if kind not in joined:
                joined[kind] = since
                self._note(ChangeKind.NEW_TYPE, f"{prefix}{kind.name} from level {since}")
            elif joined[kind] != since:
                joined[kind] = self._level(f"{prefix}{kind.name} from level", joined[kind], since)
        for kind, since in known:
            unsaid = kind not in dict(read) and self.reach.must_know(since)
            self._note_if(unsaid, f"{prefix}{kind.name} from level {since} is not in the document")
        return tuple(sorted(joined.items(), key=lambda pair: (pair[1], pair[0])))

    def _level(self, what: str, known: int, read: int) -> int:
        """The level of something that both know: the document's where it is newer."""
        if self.reach.is_newer:
            self._note(ChangeKind.FACT, f"{what} {known}, now {read}")
            return read
        self._note(ChangeKind.DISPUTED, f"{what} {known}, read {read}")
        return known

    def _new(self, what: str, known: Sequence[T], read: Sequence[T]) -> tuple[T, ...]:
        added = tuple(item for item in read if item not in known)
        for item in added:
            self._note(ChangeKind.FACT, f"{what} {in_words(item)}")
        return added

    def _value(self, what: str, known: T | None, read: T | None) -> T | None:
        """A value of which there is one: taken where nothing was known, or where the document is newer."""
        if read is None or read == known:
            return known
        if known is None:
            self._note(ChangeKind.FACT, f"{what} {in_words(read)}")
            return read
        if self.reach.is_newer:
            self._note(ChangeKind.FACT, f"{what} {in_words(known)}, now {in_words(read)}")
            return read
        self._note_if(self.reach.must_know(1), f"{what} {in_words(known)}, read {in_words(read)}")
        return known

    def _signatures(self) -> tuple[Signature, ...]:
        joined = list(self.known.signatures)
        unread = {signature.name for signature in joined} - {signature.name for signature in self.read.signatures}
        for read in self.read.signatures:
            place = next((at for at, signature in enumerate(joined) if signature.name == read.name), None)
            if place is None:
                place = next(
                    (at for at, found in enumerate(joined) if found.name in unread and _begins(read, found)), None
                )
                if place is not None and self.reach.is_newer:
                    self._note(ChangeKind.SIGNATURE, f"{joined[place].name} is now called {read.name}")
                    unread.discard(joined[place].name)
                    joined[place] = replace(joined[place], name=read.name)
            if place is None:
                joined.append(read)
                self._note(
                    ChangeKind.SIGNATURE, f"new: {read.name}, {len(read.inputs)} inputs, from level {read.since}"
                )
            else:
                joined[place] = self._signature(joined[place], read)
        for signature in joined:
            unsaid = signature.name in unread and self.reach.must_know(signature.since)
            self._note_if(unsaid, f"signature {signature.name} is not in the document")
        return tuple(joined)

    def _signature(self, known: Signature, read: Signature) -> Signature:
        where = "input" if known.name == "default" else f"{known.name}, input"
        self._note_if(known.since != read.since, f"{known.name} from level {known.since}, read {read.since}")
        return replace(
            known,
            inputs=self._operands(where, known.inputs, read.inputs),
            counts=self._counts(f"{where}s", known.counts, read.counts),
        )

    def _counts(self, what: str, known: Counts, read: Counts) -> Counts:
        joined = dict(known)
        for count, since in read:
            if count not in joined:
                joined[count] = since
                self._note(ChangeKind.SIGNATURE, f"{count} {what} from level {since}")
            elif joined[count] != since:
                joined[count] = self._level(f"{count} {what} from level", joined[count], since)
        return tuple(sorted(joined.items()))

    def _operands(
        self, what: str, known: tuple[OperandFacts, ...], read: tuple[OperandFacts, ...]
    ) -> tuple[OperandFacts, ...]:
        joined = [self._operand(what, mine, theirs) for mine, theirs in zip(known, read, strict=False)]
        joined += known[len(read) :]
        for operand in known[len(read) :]:
            unsaid = self.reach.must_know(operand.since)
            self._note_if(unsaid, f"{what} {place_of(operand)} is not in the document")
        for operand in read[len(known) :]:
            joined.append(operand)
            self._note(ChangeKind.SIGNATURE, f"new {what} {in_words(operand)}")
        return tuple(joined)

    def _operand(self, what: str, known: OperandFacts, read: OperandFacts) -> OperandFacts:
        where = f"{what} {place_of(known)}"
        if (known.index, known.span) != (read.index, read.span):
            self._note(ChangeKind.DISPUTED, f"{where}, read {place_of(read)}")
            return known
        differing = [
            name.name
            for name in fields(OperandFacts)
            if name.name not in _KEPT_BY_HAND and getattr(known, name.name) != getattr(read, name.name)
        ]
        rules = self._rules(where, known.quant, read.quant)
        for name in differing:
            words = f"{where}: {name} {in_words(getattr(known, name))}"
            if self.reach.is_newer:
                self._note(ChangeKind.SIGNATURE, f"{words}, now {in_words(getattr(read, name))}")
            elif self.reach.must_know(known.since):
                self._note(ChangeKind.DISPUTED, f"{words}, read {in_words(getattr(read, name))}")
        taken = read if differing and self.reach.is_newer else known
        return replace(taken, quant=rules)

    def _rules(self, where: str, known: tuple[QuantRule, ...], read: tuple[QuantRule, ...]) -> tuple[QuantRule, ...]:
        added = tuple(rule for rule in read if not any(_covers(mine, rule) for mine in known))
        if not added:
            return known
        words = "; ".join(in_words(rule) for rule in added)
        if self.reach.is_newer or not known:
            self._note(ChangeKind.SIGNATURE, f"{where}: scale and zero point {words}")
            return tuple(rule for rule in known if not any(_replaces(new, rule) for new in added)) + added
        self._note_if(self.reach.must_know(1), f"{where}: scale and zero point, read {words}")
        return known


def _covers(mine: QuantRule, rule: QuantRule) -> bool:
    """Whether ``mine`` says what ``rule`` does, for at least its types."""
    return mine.types >= rule.types and replace(mine, types=rule.types) == rule


def _replaces(new: QuantRule, old: QuantRule) -> bool:
    """Whether a newer rule says again, of some of the same types, what an older one did: perhaps until a level only."""
    return new.kind is old.kind and bool(new.types & old.types) and new.when_filter >= old.when_filter


def _begins(longer: Signature, shorter: Signature) -> bool:
    """Whether a signature has the inputs of another first, by their types."""
    if len(longer.inputs) < len(shorter.inputs):
        return False
    pairs = zip(longer.inputs, shorter.inputs, strict=False)
    return all((a.type, a.is_scalar, a.type_by_main) == (b.type, b.is_scalar, b.type_by_main) for a, b in pairs)


def place_of(operand: OperandFacts) -> str:
    """An operand's number or span."""
    return str(operand.index) if operand.index is not None else str(operand.span)


def in_words(value: object) -> str:
    """A fact in one line, for a reader of the changes."""
    match value:
        case None:
            return "none"
        case OperandFacts():
            parts = [place_of(value), value.role, value.type.name if value.type else None]
            parts += ["optional" if value.optional else None, f"from level {value.since}"]
            return " ".join(part for part in parts if part)
        case OperandType():
            return value.name
        case tuple():
            return f"({', '.join(in_words(item) for item in value)})"
        case frozenset():
            return " and ".join(sorted(in_words(item) for item in value))
        case _ if hasattr(value, "__dataclass_fields__"):
            shown = _set_fields(value)
            return f"({', '.join(f'{name} {in_words(part)}' for name, part in shown)})"
        case _:
            return str(getattr(value, "value", value))


def _set_fields(value: object) -> Iterable[tuple[str, object]]:
    """The fields of a dataclass that are not at their default."""
    for name, declared in getattr(value, "__dataclass_fields__", {}).items():
        held = getattr(value, name)
        if held != declared.default and held is not None:
            yield name, held
