"""Demands: what calls of an op have to be like, with the edit for calls that are not, or why no edit is written.

A demand is a requirement of a way of the op, but for those that only select calls for their way. Why there is no edit
is said in ``without_code.toml``, once for each kind of demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nnapi_check.coverage_db.card_text import CardTable, read_toml
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.edits.edit import edits_for

_HOME = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Demand:
    """A requirement, by its id, that ways of an op have."""

    op: str
    requirement: str


@dataclass(frozen=True, slots=True)
class WithoutCode:
    """Why no edit is written for the demands of some ``requirements``, of these ``ops`` or of all where none is named;
    and for every demand of ops whose names begin with ``prefix``, where that is not empty."""

    id: str
    because: str
    requirements: tuple[str, ...]
    ops: tuple[str, ...]
    prefix: str

    def tells_of(self, demand: Demand) -> bool:
        """Whether a demand is of this kind."""
        if self.prefix and demand.op.startswith(self.prefix):
            return True
        return demand.requirement in self.requirements and (not self.ops or demand.op in self.ops)


@cache
def load_without_code(path: Path = _HOME / "without_code.toml") -> tuple[WithoutCode, ...]:
    """Read the kinds of demands for which no edit is written. Raises ``CardError``."""
    return tuple(_read(id_, raw, path.name) for id_, raw in read_toml(path).items())


def _read(id_: str, raw: object, file: str) -> WithoutCode:
    table = CardTable(raw, f"{file}: {id_}")
    found = WithoutCode(
        id=id_,
        because=table.text("because"),
        requirements=table.texts("requirements"),
        ops=table.texts("ops"),
        prefix=table.optional_text("prefix") or "",
    )
    table.close()
    return found


def demands(cards: Iterable[Card]) -> Iterator[Demand]:
    """The demands of all ways of these ops, each once."""
    for card in cards:
        named = (requirement.id for way in card.ways for requirement in way.requires if not requirement.selects)
        yield from (Demand(card.op, id_) for id_ in dict.fromkeys(named))


def has_edit(demand: Demand) -> bool:
    """Whether an edit is written for calls of the op that fail the requirement."""
    return any(demand.requirement in edit.mends for edit in edits_for(demand.op))


def why_without_code(demand: Demand) -> str | None:
    """Why no edit is written for calls that fail a demand; None where there is an edit, or nothing is said."""
    if has_edit(demand):
        return None
    return next((kind.because for kind in load_without_code() if kind.tells_of(demand)), None)
