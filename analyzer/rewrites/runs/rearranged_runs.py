"""A run from a tensor of rank 4 at most through higher ranks and back, as one permutation between two reshapes."""

from __future__ import annotations

from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Rewrite, Surroundings
from nnapi_check.analyzer.rewrites.runs.run import run_from

REARRANGE = "nnapi_check.rearrange.default"
"""Reshape to ``shape_before``, permute to ``order``, reshape to ``shape_after``."""


def _match(first: Node, around: Surroundings) -> Match | None:
    run = run_from(first, around)
    if run is None or len(run.shape) > MAX_RANK or len(run.moves[0].shape) <= MAX_RANK:
        return None
    count = next((count for count, move in enumerate(run.moves, start=1) if len(move.shape) <= MAX_RANK), None)
    if count is None:
        return None
    found = run.done[count - 1]
    return run.match(count, REARRANGE, {"shape_before": found.before, "order": found.order, "shape_after": found.after})


REARRANGED_RUN = Rewrite(
    name="rearranged-run",
    title="a rearrangement through higher ranks",
    begins=ByCard.MOVE,
    makes=frozenset({REARRANGE}),
    match=_match,
)
