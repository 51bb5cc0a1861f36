"""Outputs whose rows stand in no certain order, as a detector's boxes, scores and labels, compared as sets of rows.

Which rows such a model gives hangs on comparisons of numbers that may be nearly equal, so that a rounding moves rows,
adds some or drops some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from lowering.approximation import MARGIN
from lowering.numbers import compare

ROW_TOLERANCE = 1e-3
"""Greatest error of a number in a row that is taken for the same row, as a share of the output's range."""

_LONGEST_MATCHED = 64
"""Outputs with more numbers in a row, as masks have, are compared where the others are the same."""


@dataclass(frozen=True, slots=True)
class RowSet:
    """How many rows some outputs have together, and how many of them PyTorch's have too. ``outputs`` are their places,
    ``own_unmatched`` how many rows PyTorch's own outputs do not share where its ops round otherwise."""

    outputs: tuple[int, ...]
    found: int
    wanted: int
    matched: int
    own_unmatched: int = 0

    @property
    def unmatched(self) -> int:
        """How many rows are on one side only."""
        return self.found + self.wanted - 2 * self.matched

    @property
    def is_within_tolerance(self) -> bool:
        """Whether no more rows are on one side only than PyTorch's own, where it rounds otherwise, allow for."""
        return self.unmatched <= MARGIN * self.own_unmatched

    @property
    def words(self) -> str:
        """What was compared, in a sentence."""
        names = ", ".join(f"output {place}" for place in self.outputs)
        return (
            f"{names} compared as a set of rows, for PyTorch's own change where ops round otherwise: {self.matched} of "
            f"PyTorch's {self.wanted} rows are among the {self.found} (within {ROW_TOLERANCE:g} of the range), "
            f"{self.unmatched} are on one side only; of PyTorch's own, up to {self.own_unmatched}"
        )


def row_sets(
    found: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    places: Sequence[int],
    draws: Sequence[Sequence[torch.Tensor]],
) -> tuple[RowSet, ...]:
    """Compare the outputs at ``places`` as sets of rows, where they have any. ``draws`` are PyTorch's own, rounded
    otherwise."""
    compared = []
    for group in row_groups(found, wanted, places):
        own = [
            compare_rows(draw, wanted, group).unmatched for draw in draws if group in row_groups(draw, wanted, group)
        ]
        compared.append(replace(compare_rows(found, wanted, group), own_unmatched=max(own, default=0)))
    return tuple(compared)


def row_groups(
    found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], places: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """The outputs among ``places`` that are columns of one table: neighbors with one number of rows on each side."""
    group: list[int] = []
    for place in places:
        if not _has_rows(found[place], wanted[place]):
            continue
        if group and (place != group[-1] + 1 or _heights(found, wanted, place) != _heights(found, wanted, group[-1])):
            yield tuple(group)
            group = []
        group.append(place)
    if group:
        yield tuple(group)


def _has_rows(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return (
        found.dim() == wanted.dim() > 0
        and found.shape[1:] == wanted.shape[1:]
        and found.dtype == wanted.dtype
        and not wanted.is_quantized
    )


def _heights(found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], place: int) -> tuple[int, int]:
    return found[place].shape[0], wanted[place].shape[0]


def compare_rows(found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], outputs: tuple[int, ...]) -> RowSet:
    """Pair each of PyTorch's rows with the nearest one that is left, where that is near enough."""
    ours, theirs = ([_table(tensors[place]) for place in outputs] for tensors in (found, wanted))
    rows, columns = ours[0].shape[0], theirs[0].shape[0]
    pairs = list(zip(ours, theirs, strict=True))
    distance = torch.zeros(columns, rows)
    for left, right in pairs:
        if right.shape[1] <= _LONGEST_MATCHED:
            distance = torch.maximum(distance, _distances(left, right))
    long = [(left, right) for left, right in pairs if right.shape[1] > _LONGEST_MATCHED]
    matched = 0
    for row in range(columns if rows else 0):
        nearest = int(distance[row].argmin())
        if float(distance[row, nearest]) <= ROW_TOLERANCE:
            distance[:, nearest] = torch.inf
            matched += all(compare(left[nearest], right[row]).max_relative <= ROW_TOLERANCE for left, right in long)
    return RowSet(outputs, rows, columns, matched)


def _table(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(tensor.shape[0], -1) if tensor.numel() else tensor.new_zeros(tensor.shape[0], 1)


def _distances(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """How far each row of PyTorch's is from each of ours: infinitely where integers differ."""
    off = (right.unsqueeze(1).double() - left.unsqueeze(0).double()).abs().nan_to_num(torch.inf, torch.inf).amax(2)
    if not right.dtype.is_floating_point:
        return torch.where(off == 0, 0.0, torch.inf).float()
    span = float(right.abs().max()) if right.numel() else 0.0
    return (off / (span or 1.0)).float()
