"""The matrix: what becomes of every op at every feature level, for any element type and for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from nnapi_check.coverage_db.cards import Card, Way
from nnapi_check.coverage_db.public_names import keys_of
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.way_levels import MAIN_TYPES, Operations, best_status, way_level, way_types


class Cell(Enum):
    """What becomes of an op at a level; the value is a letter for scripts, as style sheets show their own."""

    NATIVE = "N"
    LOWERED = "L"
    APPROXIMATE = "A"
    LATER = "-"
    GAP = "G"
    UNWRITTEN = "U"
    REWRITTEN = "R"

    @property
    def word(self) -> str:
        """The word for it."""
        return self.name.lower()

    @property
    def meaning(self) -> str:
        """What it means, in a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    Cell.NATIVE: "One NNAPI operation means the same.",
    Cell.LOWERED: "Exact, by several operations or by bridging what the two mean differently.",
    Cell.APPROXIMATE: "The error has a stated bound.",
    Cell.LATER: "No way at this level, or not in this element type.",
    Cell.GAP: "No NNAPI operations can compute it.",
    Cell.UNWRITTEN: "NNAPI operations could compute it, but no rule is written yet.",
    Cell.REWRITTEN: "It is read as another op, whose own row says what becomes of it.",
}

ANY_TYPE = "any"

TYPE_WORDS = {
    OperandType.TENSOR_FLOAT32: "float32",
    OperandType.TENSOR_FLOAT16: "float16",
    OperandType.TENSOR_QUANT8_ASYMM: "quantized, 8 bits",
    OperandType.TENSOR_INT32: "int32, int64",
    OperandType.TENSOR_BOOL8: "bool",
}
"""PyTorch's words for the types that its tensors become."""


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """An op with a cell for each level; ``by_type`` has the same for each element type, as letters.

    ``called`` are the names of modules and functions that it is found by. ``narrower`` tells the levels at which some
    calls have no way that have one at a higher level.
    """

    op: str
    called: tuple[str, ...]
    family: str
    summary: str
    becomes: str
    cells: tuple[Cell, ...]
    by_type: tuple[tuple[str, str], ...]
    narrower: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """The ops of one family."""

    name: str
    rows: tuple[MatrixRow, ...]


def matrix(cards: Sequence[Card], operations: Operations, levels: Sequence[int]) -> tuple[Family, ...]:
    """Every op, by family."""
    rows: dict[str, list[MatrixRow]] = {}
    for card in cards:
        rows.setdefault(card.family, []).append(_row(card, operations, levels))
    return tuple(Family(name.replace("_", " "), tuple(found)) for name, found in sorted(rows.items()))


def type_keys() -> Iterator[tuple[str, str]]:
    """The key and the words of every element type that the matrix can be asked for."""
    for kind in MAIN_TYPES:
        yield MAIN_TYPES[kind][0], TYPE_WORDS[kind]


def _row(card: Card, operations: Operations, levels: Sequence[int]) -> MatrixRow:
    any_type = [(way, way_level(way, operations)) for way in card.ways]
    types = {way.name: dict(way_types(way, operations)) for way in card.ways}
    by_type = []
    for kind, keys in MAIN_TYPES.items():
        ways = [(way, types[way.name][kind]) for way in card.ways if kind in types[way.name]]
        by_type.append((keys[0], "".join(cell.value for cell in _cells(card, ways, levels))))
    emitted = dict.fromkeys(part.operation for way in card.ways for part in way.emits)
    becomes = " ".join((*card.becomes, *emitted))
    cells = _cells(card, any_type, levels)
    narrower = tuple(_is_narrower(any_type, level) for level in levels)
    return MatrixRow(card.op, keys_of(card.op), card.family, card.summary, becomes, cells, tuple(by_type), narrower)


def _is_narrower(ways: Sequence[tuple[Way, int]], level: int) -> bool:
    """Whether a higher level takes more calls: it drops a requirement, or brings a way that asks for less."""
    now = [_demands(way, level) for way, since in ways if since <= level]
    if not now:
        return False
    later = [frozenset(found.id for found in way.requires if found.until is None) for way, _ in ways]
    return not all(any(known <= wanted for known in now) for wanted in later)


def _demands(way: Way, level: int) -> frozenset[str]:
    return frozenset(found.id for found in way.requires if found.until is None or level <= found.until)


def _cells(card: Card, ways: Sequence[tuple[Way, int]], levels: Sequence[int]) -> tuple[Cell, ...]:
    return tuple(_cell(card, [way for way, since in ways if since <= level]) for level in levels)


def _cell(card: Card, ways: Sequence[Way]) -> Cell:
    if card.gap is not None:
        return Cell.GAP
    if card.unwritten:
        return Cell.UNWRITTEN
    if card.becomes:
        return Cell.REWRITTEN
    return Cell[best_status(ways).name] if ways else Cell.LATER


def totals(families: Sequence[Family], levels: Sequence[int]) -> tuple[tuple[Cell, tuple[int, ...]], ...]:
    """How many ops have each cell, at each level."""
    rows = [row for family in families for row in family.rows]
    return tuple(
        (cell, tuple(sum(row.cells[index] is cell for row in rows) for index in range(len(levels)))) for cell in Cell
    )
