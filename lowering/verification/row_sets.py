"""Outputs whose rows stand in no certain order, as a detector's boxes, scores and labels, compared as sets of rows.

Which rows such a model gives hangs on comparisons of numbers that may be nearly equal, so that a rounding moves rows,
adds some or drops some. Which of them it may be PyTorch's own outputs tell, where its ops round otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from nnapi_check.lowering.verification.approximation import MARGIN
from nnapi_check.lowering.verification.compared_set import Held, RowSet, Stray
from nnapi_check.lowering.verification.comparison import difference
from nnapi_check.lowering.verification.element_sets import allowed_off, element_set

_LONGEST_MATCHED = 64
"""Outputs with more numbers in a row, as masks have, are compared where the others are the same."""


def row_sets(
    found: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    places: Sequence[int],
    draws: Sequence[Sequence[torch.Tensor]],
    steady: Collection[int] = (),
) -> tuple[RowSet, ...]:
    """Compare the outputs at ``places``, and the columns of the same tables, as sets of rows, where they have any.

    ``draws`` are PyTorch's own outputs, rounded otherwise. Masks and the like count apart from the columns beside them.
    What has no rows, or one, or such that PyTorch's own share none, is compared element by element, and so are outputs
    that are ``steady``, for no op on the way to them can put rows into another order.
    """
    compared: list[RowSet] = []
    like = [draw for draw in draws if len(draw) == len(wanted)]
    groups = tuple(row_groups(found, wanted, [place for place in places if place not in steady]))
    for group in groups:
        own = [draw for draw in like if _is_table(draw, wanted, group)]
        short = tuple(place for place in group if _width(wanted[place]) <= _LONGEST_MATCHED)
        rows = [_row_set(found, wanted, table, own) for table in dict.fromkeys((short or group, group))]
        among = [place for place in group if place in places and place not in steady]
        in_place = [place for place in among if found[place].shape == wanted[place].shape]
        keeps_none = 0 < rows[0].found + rows[0].wanted <= rows[0].own_unmatched
        if in_place and (wanted[group[0]].shape[0] == 1 or keeps_none):
            compared += [_in_place(found, wanted, place, own) for place in in_place]
        else:
            compared += [replace(table, jumping=tuple(among)) for table in rows]
    alone = [place for place in places if place in steady or not any(place in group for group in groups)]
    compared += [_in_place(found, wanted, place, like) for place in alone if _is_like(found[place], wanted[place])]
    return tuple(compared)


def _is_like(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return found.shape == wanted.shape and found.dtype == wanted.dtype


def _in_place(
    found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], place: int, draws: Sequence[Sequence[torch.Tensor]]
) -> RowSet:
    return element_set(found[place], wanted[place], [draw[place] for draw in draws], (place,))


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
        return _Columns(tables, tuple(allowed_off(wanted[place]) for place in outputs))

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
            away = torch.zeros(int(near.sum()))
            if left.shape[1]:
                away = difference(left[ours[near]], right[theirs[near]]).abs().amax(1)
            share = torch.where(away <= allowed, away / (allowed or 1.0), torch.inf).float()
            distance[near] = torch.maximum(distance[near], share)
        return distance

    def farthest(self, rows: torch.Tensor, pool: Sequence[_Columns]) -> float:
        """How far the farthest of some rows lies from the nearest in a pool, in shares of what is allowed.

        Both have the same whole numbers; rows with others than are in the pool are left out, and so are long columns.
        """
        nearest = torch.full((int(rows.sum()),), torch.inf)
        for other in pool:
            apart = torch.zeros(len(nearest), other.height)
            for left, right, allowed in zip(self.tables, other.tables, self.allowed, strict=True):
                if 0 < left.shape[1] <= _LONGEST_MATCHED:
                    away = difference(left[rows][:, None], right[None]).abs().amax(2)
                    share = away / allowed if allowed else torch.where(away > 0, torch.inf, 0.0)
                    apart = torch.maximum(apart, share.float())
            nearest = torch.minimum(nearest, apart.amin(1)) if other.height else nearest
        known = nearest[nearest.isfinite()]
        return float(known.max()) if len(known) else 0.0


@dataclass(frozen=True, slots=True)
class _Match:
    """Which of PyTorch's rows are lost, which others are new, and which of PyTorch's do not stand at their place."""

    lost: torch.Tensor
    new: torch.Tensor
    displaced: torch.Tensor


def _match(ours: _Columns, theirs: _Columns) -> _Match:
    """Pair rows in place where they are alike, then each other one of PyTorch's with the nearest that is left."""
    lost, new = torch.ones(theirs.height, dtype=torch.bool), torch.ones(ours.height, dtype=torch.bool)
    places = torch.arange(min(ours.height, theirs.height))
    in_place = ours.are_like(theirs, places, places).isfinite()
    lost[places[in_place]] = new[places[in_place]] = False
    displaced = lost.clone()
    for row in lost.nonzero().flatten():
        left = new.nonzero().flatten()
        if not len(left):
            break
        distance = ours.are_like(theirs, left, row.expand(len(left)))
        nearest = int(distance.argmin())
        if math.isfinite(float(distance[nearest])):
            lost[row] = new[left[nearest]] = False
    return _Match(lost, new, displaced)


def _row_set(
    found: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    outputs: tuple[int, ...],
    draws: Sequence[Sequence[torch.Tensor]],
) -> RowSet:
    ours, theirs = _Columns.of(found, wanted, outputs), _Columns.of(wanted, wanted, outputs)
    own = [_Columns.of(draw, wanted, outputs) for draw in draws]
    match, matches = _match(ours, theirs), [_match(columns, theirs) for columns in own]
    losses = _times([other.lost for other in matches], theirs.height)
    moves = _times([other.displaced for other in matches], theirs.height)
    added = _added(ours, match.new, own)
    own_added = [
        (columns, _added(columns, matches[index].new, own[:index] + own[index + 1 :]))
        for index, columns in enumerate(own)
    ]
    own_new = max((int(rows.sum()) for _, rows in own_added), default=0)
    unsteady = int((losses > 0).sum())
    loosely = min(unsteady, MARGIN * own_new)
    return RowSet(
        outputs,
        ours.height,
        theirs.height,
        theirs.height - int(match.lost.sum()),
        Held(theirs.height - unsteady, unsteady - loosely, loosely),
        own_unmatched=max((int(other.lost.sum()) + int(other.new.sum()) for other in matches), default=0),
        unexplained=Stray(_unexplained(match, losses, moves, 0), int(added.sum())),
        own_unexplained=Stray(max((_unexplained(other, losses, moves, 1) for other in matches), default=0), own_new),
        farthest=ours.farthest(added, [theirs, *own]),
        own_farthest=max(
            (
                columns.farthest(rows, [theirs, *own[:index], *own[index + 1 :]])
                for index, (columns, rows) in enumerate(own_added)
            ),
            default=0.0,
        ),
    )


def _times(marks: Sequence[torch.Tensor], count: int) -> torch.Tensor:
    return torch.stack(list(marks)).sum(0) if marks else torch.zeros(count)


def _unexplained(match: _Match, losses: torch.Tensor, moves: torch.Tensor, times: int) -> int:
    """How many rows are lost, or stand elsewhere, that so many of PyTorch's own lose or have elsewhere."""
    return int(((match.lost & (losses == times)) | (match.displaced & (moves == times))).sum())


def _added(columns: _Columns, new: torch.Tensor, others: Sequence[_Columns]) -> torch.Tensor:
    """Which of the new rows none of PyTorch's own has either."""
    for other in others:
        if not bool(new.any()):
            break
        new = new & _match(columns, other).new
    return new
