"""The argument of paddings whose border is made of the tensor's own cells: reflected, replicated and circular ones."""

from __future__ import annotations

from collections.abc import Mapping

_PADDED: Mapping[int, tuple[int, ...]] = {2: (1,), 3: (1, 2), 4: (2, 3), 5: (3,)}
"""By a tensor's rank: of how many of the last dimensions PyTorch makes a border of the tensor's own cells."""


def border_pads(rank: int, borders: Mapping[int, tuple[int, int]]) -> tuple[int, ...] | None:
    """The argument ``pad`` for borders before and behind some dimensions; None where PyTorch has no such padding."""
    counts = [count for count in _PADDED.get(rank, ()) if min(borders, default=rank) >= rank - count]
    if not counts:
        return None
    # Pads are written from the last dimension on.
    dims = range(rank - 1, rank - 1 - min(counts), -1)
    return tuple(pad for dim in dims for pad in borders.get(dim, (0, 0)))
