"""What the pages of differences and reasons tell: the note itself, and the ops that it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.judging.failures import reason_of
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.differences import Difference, Reason


@dataclass(frozen=True, slots=True)
class Concerned:
    """An op that a note concerns, and its ways or requirements that it does."""

    op: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """A difference, and the ops with ways that bridge it."""

    difference: Difference
    ops: tuple[Concerned, ...]


@dataclass(frozen=True, slots=True)
class ReasonView:
    """A reason, and the ops with requirements that it is given for."""

    reason: Reason
    ops: tuple[Concerned, ...]


def difference_views(differences: Sequence[Difference], cards: Sequence[Card]) -> tuple[DifferenceView, ...]:
    """Every difference, in the order of the text."""
    found: dict[str, dict[str, list[str]]] = {}
    for card in cards:
        for way in card.ways:
            for id_ in way.differences:
                found.setdefault(id_, {}).setdefault(card.op, []).append(way.name)
    return tuple(DifferenceView(item, _concerned(found.get(item.id, {}))) for item in differences)


def reason_views(reasons: Sequence[Reason], cards: Sequence[Card]) -> tuple[ReasonView, ...]:
    """Every reason, in the order of the text. Cards without a way are reasons as well."""
    found: dict[str, dict[str, list[str]]] = {}
    for card in cards:
        if card.gap is not None:
            found.setdefault("NNC101", {})[card.op] = []
        if card.unwritten:
            found.setdefault("NNC102", {})[card.op] = []
        if card.becomes:
            found.setdefault("NNC104", {})[card.op] = []
        for way in card.ways:
            for requirement in way.requires:
                code = requirement.reason or reason_of(requirement.check)
                ids = found.setdefault(code, {}).setdefault(card.op, [])
                if requirement.id not in ids:
                    ids.append(requirement.id)
    return tuple(ReasonView(item, _concerned(found.get(item.code, {}))) for item in reasons)


def _concerned(ops: dict[str, list[str]]) -> tuple[Concerned, ...]:
    return tuple(Concerned(op, tuple(details)) for op, details in ops.items())
