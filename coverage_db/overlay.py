"""A user's own cards laid over the registry: ops that are not to be lowered, or only under more requirements.

An overlay restricts. It cannot give an op a way, for a way needs a rule, which is code. Its tables are named by op:

- ``gap = "why"``: the op stays on the CPU; for an op without a card, ``summary`` may say what it computes;
- ``unwritten = ["OPERATION"]``: the same, for want of a rule, for an op without a card;
- ``without = ["way"]``: these ways of the card are not taken;
- ``requires``: requirements as in a card; one with ``way`` holds for that way only.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nnapi_check.coverage_db.card_reading import parse_card
from nnapi_check.coverage_db.card_text import read_toml
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.queries import Registry, UnknownNameError
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.user_documents import shown

_KEYS = ("summary", "gap", "unwritten", "without", "requires", "fix", "source")
_OF_CARD = ("ways", "emits", "layout", "examples", "bound", "differences")


class OverlayError(UserError):
    """An overlay is malformed or contradicts the registry. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """A requirement that an overlay adds to one way of an op, or to all where ``way`` is empty."""

    way: str
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class OverlayCard:
    """What an overlay says of one op."""

    op: str
    line: int
    summary: str
    gap: str | None
    unwritten: tuple[str, ...]
    without: tuple[str, ...]
    restrictions: tuple[Restriction, ...]
    fix: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """The cards of an overlay's file."""

    path: Path
    cards: tuple[OverlayCard, ...]

    def fail(self, card: OverlayCard, problem: str) -> OverlayError:
        """The error to raise for a card."""
        return OverlayError(f"{self.path}, line {card.line}: {card.op}: {problem}")


def read_overlay(path: Path) -> Overlay:
    """Read an overlay's file. Raises ``OverlayError`` for what is malformed, with its line."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = read_toml(path)
    except OSError as error:
        raise OverlayError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OverlayError(f"{path} is not UTF-8: {error.reason}") from error
    except CardError as error:
        raise OverlayError(str(error)) from error
    reader = _Reader(path, tuple(_statements(text)))
    return Overlay(path, tuple(reader.card(op, raw) for op, raw in tables.items()))


def _statements(text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Each header and each key of a text, with the line where it begins and all that it says.

    A text that ends within a value cannot be read, so each ends with the first line at which it can.
    """
    header, written, begun = "", "", 1
    for number, line in enumerate(text.split("\n"), 1):
        written += f"{line}\n"
        try:
            said = tomllib.loads(written)
        except tomllib.TOMLDecodeError:
            continue
        if written.lstrip().startswith("["):
            header = written
        else:
            said = tomllib.loads(header + written)
        yield begun, said
        written, begun = "", number + 1


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    statements: tuple[tuple[int, Mapping[str, object]], ...]

    def line(self, op: str, key: str = "") -> int:
        """The line of a key in an op's table, or of the table."""
        lines = (
            line
            for line, said in self.statements
            if op in said and (not key or (isinstance(table := said[op], Mapping) and key in table))
        )
        return next(lines, 1)

    def fail(self, op: str, key: str, problem: str) -> OverlayError:
        return OverlayError(f"{self.path}, line {self.line(op, key)}: {op}: {problem}")

    def card(self, op: str, raw: object) -> OverlayCard:
        if not isinstance(raw, Mapping):
            raise OverlayError(
                f"{self.path}, line {self.line(op)}: a table for an op was wanted, found {op} = {shown(raw)}"
            )
        if len(op.split(".")) != 3:
            raise self.fail(op, "", "an op is written like aten.relu.default, in quotes")
        for key in raw:
            if key in _OF_CARD:
                why = "a way needs a rule, which is code; an overlay restricts by gap, unwritten, without and requires"
                raise self.fail(op, key, f"`{key}` cannot be given: {why}")
            if key not in _KEYS:
                raise self.fail(op, key, f"`{key}` is not a key of an overlay; its keys are {', '.join(_KEYS)}")
        found = OverlayCard(
            op=op,
            line=self.line(op),
            summary=self._text(op, raw, "summary") or "An op of an overlay.",
            gap=self._text(op, raw, "gap"),
            unwritten=self._texts(op, raw, "unwritten"),
            without=self._texts(op, raw, "without"),
            restrictions=self._restrictions(op, raw),
            fix=self._text(op, raw, "fix") or "",
        )
        if sum((found.gap is not None, bool(found.unwritten), bool(found.without or found.restrictions))) != 1:
            raise self.fail(op, "", "wants exactly one of gap, unwritten, and restrictions (without, requires)")
        return found

    def _text(self, op: str, raw: Mapping[str, object], key: str) -> str | None:
        value = raw.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.fail(op, key, f"`{key}` must be a text, found {shown(value)}")
        return None if value is None else " ".join(str(value).split())

    def _texts(self, op: str, raw: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(op, key, f"`{key}` must be a list of texts, found {shown(value)}")
        if key in raw and not value:
            raise self.fail(op, key, f"`{key}` is empty")
        return tuple(value)

    def _restrictions(self, op: str, raw: Mapping[str, object]) -> tuple[Restriction, ...]:
        rows = raw.get("requires", [])
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise self.fail(op, "requires", f"`requires` must be a list of tables, found {shown(rows)}")
        found = []
        for row in rows:
            table = dict(row)
            way = table.pop("way", "")
            if not isinstance(way, str):
                raise self.fail(op, "requires", f"`way` must be a text, found {shown(way)}")
            # A card with nothing else: what reads a card's requirements reads these.
            card = {"summary": "-", "requires": [table], "ways": [{"name": "-"}]}
            try:
                (requirement,) = parse_card(op, self.path.stem, card, {}).ways[0].requires
            except CardError as error:
                raise self.fail(op, "requires", str(error)) from error
            found.append(Restriction(way, requirement))
        return tuple(found)


class OverlaidRegistry(Registry):
    """The registry with an overlay's cards in place of its own."""

    def __init__(self, base: Registry, overlay: Overlay) -> None:
        super().__init__(base._data, base._path)
        self._overlaid = {entry.op: _laid_over(base, overlay, entry) for entry in overlay.cards}

    def card(self, op: str) -> Card:
        """The card of ``op``, the overlay's before the registry's."""
        return self._overlaid[op] if op in self._overlaid else super().card(op)

    def has_card(self, op: str) -> bool:
        """Whether anything is known of ``op``, by the overlay or the registry."""
        return op in self._overlaid or super().has_card(op)

    def cards(self) -> tuple[Card, ...]:
        """Every card; those of ops that only the overlay knows come last."""
        known = super().cards()
        new = self._overlaid.keys() - {card.op for card in known}
        return tuple(self.card(card.op) for card in known) + tuple(self._overlaid[op] for op in sorted(new))


def with_overlay(base: Registry, path: Path) -> Registry:
    """The registry with the overlay at ``path`` laid over it.

    Raises ``OverlayError`` for what is malformed, or contradicts the registry, with the line.
    """
    return OverlaidRegistry(base, read_overlay(path))


def _laid_over(base: Registry, overlay: Overlay, entry: OverlayCard) -> Card:
    known = base.card(entry.op) if base.has_card(entry.op) else None
    if entry.without or entry.restrictions:
        return _restricted(base, overlay, entry, known)
    if known is None:
        known = Card(entry.op, overlay.path.stem, entry.summary)
    elif known.becomes:
        raise overlay.fail(entry, f"it is read as another op before it is judged; name {', '.join(known.becomes)}")
    elif entry.unwritten:
        raise overlay.fail(entry, "the registry has a card for it; say `gap` to keep it on the CPU")
    for operation in entry.unwritten:
        try:
            base.operation(operation)
        except UnknownNameError as error:
            raise overlay.fail(entry, str(error)) from error
    return replace(known, ways=(), gap=entry.gap, unwritten=entry.unwritten, fix=entry.fix or known.fix)


def _restricted(base: Registry, overlay: Overlay, entry: OverlayCard, known: Card | None) -> Card:
    if known is None or not known.ways:
        what = "has no card" if known is None else "has no way"
        raise overlay.fail(entry, f"it {what} in the registry, so there is nothing to restrict")
    names = [way.name for way in known.ways]
    for named in (*entry.without, *(each.way for each in entry.restrictions if each.way)):
        if named not in names:
            raise overlay.fail(entry, f"it has no way called {named!r}; its ways are {', '.join(names)}")
    reasons = {reason.code for reason in base.reasons()}
    for each in entry.restrictions:
        if each.requirement.reason and each.requirement.reason not in reasons:
            raise overlay.fail(entry, f"{each.requirement.reason} is not a reason code")
    ways = []
    for way in known.ways:
        if way.name in entry.without:
            continue
        added = tuple(each.requirement for each in entry.restrictions if each.way in ("", way.name))
        ids = [requirement.id for requirement in (*way.requires, *added)]
        for requirement in added:
            if ids.count(requirement.id) > 1:
                raise overlay.fail(entry, f"way {way.name} has a requirement {requirement.id} already")
        ways.append(replace(way, requires=(*way.requires, *added)))
    if ways:
        return replace(known, ways=tuple(ways))
    gap = f"The overlay {overlay.path.name} takes none of its ways."
    return replace(known, ways=(), gap=gap, fix=entry.fix or known.fix)
