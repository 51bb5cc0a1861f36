"""Outputs whose rows stand in no certain order, as a detector's boxes, scores and labels, compared as sets of rows.

Which rows such a model gives hangs on comparisons of numbers that may be nearly equal, so that a rounding moves rows,
adds some or drops some. Which of them it may be PyTorch's own outputs tell, where its ops round otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import torch

from nnapi_check.lowering.verification.approximation import MARGIN

ROW_TOLERANCE = 1e-3
"""Greatest error of a number in a row that is taken for the same row, as a share of the output's range."""

_LONGEST_MATCHED = 64
"""Outputs with more numbers in a row, as masks have, are compared where the others are the same."""


class Unit(Enum):
    """What is matched: rows in any order, or elements in place, where outputs have one row or PyTorch keeps none."""

    ROWS = "rows"
    ELEMENTS = "elements"


@dataclass(frozen=True, slots=True)
class Stray:
    """Rows that are on one side only: ``lost`` are PyTorch's, ``new`` are not."""

    lost: int
    new: int

    def is_allowed_by(self, own: Stray) -> bool:
        """Whether on each side there are no more than PyTorch's own allow for."""
        return self.lost <= MARGIN * own.lost and self.new <= MARGIN * own.new


NONE = Stray(0, 0)


@dataclass(frozen=True, slots=True)
class RowSet:
    """How many rows some outputs have together, and how many of them PyTorch's have too. ``outputs`` are their places,
    and ``jumping`` those that PyTorch's own jump in, which only this comparison holds.

    ``own_unmatched`` is how many rows PyTorch's own outputs do not share at most where its ops round otherwise.
    ``unexplained`` are the rows on one side only that never are in PyTorch's own, and ``own_unexplained`` as many of
    one of PyTorch's own, held against its others.
    """

    outputs: tuple[int, ...]
    found: int
    wanted: int
    matched: int
    own_unmatched: int = 0
    unexplained: Stray = NONE
    own_unexplained: Stray = NONE
    unit: Unit = Unit.ROWS
    jumping: tuple[int, ...] = ()

    @property
    def unmatched(self) -> int:
        """How many rows are on one side only."""
        return self.found + self.wanted - 2 * self.matched

    @property
    def is_within_tolerance(self) -> bool:
        """Whether PyTorch's own, where it rounds otherwise, allow for so many rows on one side only, and for these."""
        return self.unmatched <= MARGIN * self.own_unmatched and self.unexplained.is_allowed_by(self.own_unexplained)

    @property
    def is_blind(self) -> bool:
        """Whether PyTorch's own share nothing, so that nothing is held to anything."""
        return self.wanted > 0 and self.own_unmatched >= self.found + self.wanted

    @property
    def words(self) -> str:
        """What was compared, in a sentence."""
        names, unit = ", ".join(f"output {place}" for place in self.outputs), self.unit.value
        way = "as a set of rows" if self.unit is Unit.ROWS else "element by element"
        told = (
            f"{names} compared {way}, for PyTorch's own change where ops round otherwise: {self.matched} of "
            f"PyTorch's {self.wanted} {unit} are among the {self.found} (within {ROW_TOLERANCE:g} of the range), "
            f"{self.unmatched} are on one side only; of PyTorch's own, up to {self.own_unmatched}"
        )
        if self.is_blind:
            return f"{told}, which is all, so that nothing is known of these numbers"
        if self.unmatched:
            told += (
                f". Of these {self.unmatched}, PyTorch never loses {self.unexplained.lost} and never adds "
                f"{self.unexplained.new}; of its own, up to {self.own_unexplained.lost} and {self.own_unexplained.new}"
            )
        return told


def row_sets(
    found: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    places: Sequence[int],
    draws: Sequence[Sequence[torch.Tensor]],
) -> tuple[RowSet, ...]:
    """Compare the outputs at ``places``, and the columns of the same tables, as sets of rows, where they have any.

    ``draws`` are PyTorch's own outputs, rounded otherwise. Masks and the like count apart from the columns beside them.
    """
    compared: list[RowSet] = []
    for group in row_groups(found, wanted, places):
        own = [draw for draw in draws if len(draw) == len(wanted) and _is_table(draw, wanted, group)]
        short = tuple(place for place in group if _width(wanted[place]) <= _LONGEST_MATCHED)
        rows = [_row_set(found, wanted, table, own) for table in dict.fromkeys((short or group, group))]
        in_place = [place for place in group if place in places and found[place].shape == wanted[place].shape]
        if in_place and (wanted[group[0]].shape[0] == 1 or rows[0].is_blind):
            compared += [_element_set(found, wanted, place, own) for place in in_place]
        else:
            jumping = tuple(place for place in group if place in places)
            compared += [replace(table, jumping=jumping) for table in rows]
    return tuple(compared)


def row_groups(
    found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], places: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """The tables that outputs at ``places`` are columns of: neighbors with one number of rows on each side."""
    groups: list[tuple[int, ...]] = []
    for place in range(len(wanted)):
        if not _is_table(found, wanted, (place,)):
            continue
        last = groups[-1] if groups else ()
        if last and place == last[-1] + 1 and _is_table(found, wanted, (*last, place)):
            groups[-1] = (*last, place)
        else:
            groups.append((place,))
    yield from (group for group in groups if set(group) & set(places))


def compare_rows(found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], outputs: tuple[int, ...]) -> RowSet:
    """Pair each of PyTorch's rows with the nearest one that is left, where that is near enough."""
    return _row_set(found, wanted, outputs, ())


def _is_table(found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], outputs: Sequence[int]) -> bool:
    """Whether these outputs have rows, and one number of them on each side."""
    pairs = [(found[place], wanted[place]) for place in outputs]
    has_rows = all(
        left.dim() == right.dim() > 0
        and left.shape[1:] == right.shape[1:]
        and left.dtype == right.dtype
        and not right.is_quantized
        and not right.is_complex()
        for left, right in pairs
    )
    return has_rows and len({(left.shape[0], right.shape[0]) for left, right in pairs}) == 1


def _width(tensor: torch.Tensor) -> int:
    return math.prod(tensor.shape[1:])


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns that belong together, of one number of rows, with what each may be off."""

    tables: tuple[torch.Tensor, ...]
    allowed: tuple[float, ...]

    @staticmethod
    def of(tensors: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], outputs: Sequence[int]) -> _Columns:
        """The columns at ``outputs``, held to the ranges that PyTorch's have."""
        tables = tuple(tensors[place].reshape(tensors[place].shape[0], _width(tensors[place])) for place in outputs)
        return _Columns(tables, tuple(_allowed(wanted[place]) for place in outputs))

    @property
    def height(self) -> int:
        return self.tables[0].shape[0]

    def are_like(self, other: _Columns, ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
        """How far rows are from those of another table, as a share of what is allowed: infinitely beyond it."""
        distance = torch.zeros(len(ours))
        pairs = sorted(zip(self.tables, other.tables, self.allowed, strict=True), key=lambda pair: pair[0].shape[1])
        for left, right, allowed in pairs:
            near = distance.isfinite()
            if not bool(near.any()):
                break
            off = _off(left[ours[near]], right[theirs[near]]).amax(1) if left.shape[1] else torch.zeros(int(near.sum()))
            share = torch.where(off <= allowed, off / (allowed or 1.0), torch.inf).float()
            distance[near] = torch.maximum(distance[near], share)
        return distance


def _allowed(wanted: torch.Tensor) -> float:
    if not wanted.dtype.is_floating_point:
        return 0.0
    finite = wanted[wanted.isfinite()]
    return ROW_TOLERANCE * ((float(finite.abs().max()) if finite.numel() else 0.0) or 1.0)


def _off(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    same = (ours == theirs) | ((ours != ours) & (theirs != theirs))
    off = (ours.double() - theirs.double()).abs().nan_to_num(torch.inf, torch.inf)
    # 64-bit integers that differ may be one number as floats.
    return torch.where(same, 0.0, off if ours.dtype.is_floating_point else off.clamp(min=1.0))


@dataclass(frozen=True, slots=True)
class _Match:
    """Which of PyTorch's rows are lost, and which of the others are new."""

    lost: torch.Tensor
    new: torch.Tensor


def _match(ours: _Columns, theirs: _Columns) -> _Match:
    """Pair rows in place where they are alike, then each other one of PyTorch's with the nearest that is left."""
    lost, new = torch.ones(theirs.height, dtype=torch.bool), torch.ones(ours.height, dtype=torch.bool)
    places = torch.arange(min(ours.height, theirs.height))
    in_place = ours.are_like(theirs, places, places).isfinite()
    lost[places[in_place]] = new[places[in_place]] = False
    for row in lost.nonzero().flatten():
        left = new.nonzero().flatten()
        if not len(left):
            break
        distance = ours.are_like(theirs, left, row.expand(len(left)))
        nearest = int(distance.argmin())
        if math.isfinite(float(distance[nearest])):
            lost[row] = new[left[nearest]] = False
    return _Match(lost, new)


def _row_set(
    found: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    outputs: tuple[int, ...],
    draws: Sequence[Sequence[torch.Tensor]],
) -> RowSet:
    ours, theirs = _Columns.of(found, wanted, outputs), _Columns.of(wanted, wanted, outputs)
    own = [_Columns.of(draw, wanted, outputs) for draw in draws]
    match, matches = _match(ours, theirs), [_match(columns, theirs) for columns in own]

    own_new = (_added(columns, matches[index].new, own[:index] + own[index + 1 :]) for index, columns in enumerate(own))
    return _told(
        RowSet(outputs, ours.height, theirs.height, theirs.height - int(match.lost.sum())),
        match,
        matches,
        _added(ours, match.new, own),
        max(own_new, default=0),
    )


def _added(columns: _Columns, new: torch.Tensor, others: Sequence[_Columns]) -> int:
    """How many of the new rows none of PyTorch's own has either."""
    for other in others:
        if not bool(new.any()):
            break
        new = new & _match(columns, other).new
    return int(new.sum())


def _element_set(
    found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], place: int, draws: Sequence[Sequence[torch.Tensor]]
) -> RowSet:
    theirs = wanted[place].flatten()
    allowed = _allowed(theirs)
    none = torch.zeros(theirs.numel(), dtype=torch.bool)
    match = _Match(_off(found[place].flatten(), theirs) > allowed, none)
    same = [draw[place] for draw in draws if draw[place].shape == wanted[place].shape]
    matches = [_Match(_off(draw.flatten(), theirs) > allowed, none) for draw in same]
    count = theirs.numel()
    rows = RowSet((place,), count, count, count - int(match.lost.sum()), unit=Unit.ELEMENTS)
    return _told(rows, match, matches, 0, 0)


def _strays(unit: Unit, match: _Match) -> int:
    """How many are on one side only: an element that is off is on each."""
    lost = int(match.lost.sum())
    return 2 * lost if unit is Unit.ELEMENTS else lost + int(match.new.sum())


def _told(rows: RowSet, match: _Match, own: Sequence[_Match], new: int, own_new: int) -> RowSet:
    """The same, with what PyTorch's own lose, in all and each of them alone."""
    times = torch.stack([other.lost for other in own]).sum(0) if own else torch.zeros(len(match.lost))
    strays = [_strays(rows.unit, other) for other in own]
    alone = [int((other.lost & (times == 1)).sum()) for other in own]
    return replace(
        rows,
        own_unmatched=max(strays, default=0),
        unexplained=Stray(int((match.lost & (times == 0)).sum()), new),
        own_unexplained=Stray(max(alone, default=0), own_new),
    )
