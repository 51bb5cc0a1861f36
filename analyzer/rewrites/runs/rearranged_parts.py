"""A run to a tensor of rank 5 of which only places of one dimension are read: each place rearranged by itself."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.analyzer.graph import Node, Ref
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Miss, Rewrite, Surroundings
from nnapi_check.analyzer.rewrites.runs.run import run_from

REARRANGE_PARTS = "nnapi_check.rearrange_parts.default"
"""The input as [``outer``, ``count``, ``inner``]: each place of the middle in ``indices``, rearranged by itself."""


def _match(first: Node, around: Surroundings) -> Match | Miss | None:
    run = run_from(first, around)
    if run is None or len(run.shape) > MAX_RANK or any(len(move.shape) <= MAX_RANK for move in run.moves):
        return None
    shape = run.moves[-1].shape
    readers = around.nodes_that_read(run.result)
    picked = [(node, place) for node in readers if (place := _picked(node, shape)) is not None]
    if len(shape) != MAX_RANK + 1 or not picked:
        return None
    other = next((node for node in readers if all(node is not picking for picking, _ in picked)), None)
    if other is not None:
        return Miss(len(run.moves) + len(picked), other, "it reads more than one place of a dimension")
    axis = picked[0][1][0]
    for node, place in picked:
        if place[0] != axis:
            return Miss(len(run.moves) + 1, node, "it reads places of another dimension")
    seen = run.tracker.alone(axis)
    if seen is None:
        return Miss(len(run.moves), picked[0][0], "the dimension that it reads is scattered over the source")
    found = run.tracker.without(axis)
    nodes = tuple(node for node, _ in picked)
    return Match(
        REARRANGE_PARTS,
        {
            "self": Ref(run.moves[0].source),
            **dict(zip(("outer", "count", "inner"), seen, strict=True)),
            "indices": tuple(index for _, (_, indices) in picked for index in indices),
            "shape_before": found.before,
            "order": found.order,
            "shape_after": found.after,
        },
        nodes=(*run.nodes, *nodes),
        at=nodes[0],
        outputs=tuple(value for node in nodes for value in node.outputs),
    )


REARRANGED_PARTS = Rewrite(
    name="rearranged-parts",
    title="a rearrangement to rank 5 that is read place by place",
    begins=ByCard.MOVE,
    makes=frozenset({REARRANGE_PARTS}),
    match=_match,
)


def _picked(node: Node, shape: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """The dimension and the places of it that a node picks, one for each of its outputs."""
    dim, index = node.arguments.get("dim"), node.arguments.get("index")
    if not isinstance(dim, int) or node.is_constant:
        return None
    axis = dim % len(shape)
    if node.op == "aten.unbind.int":
        return axis, tuple(range(shape[axis]))
    if node.op == "aten.select.int" and isinstance(index, int):
        return axis, (index % shape[axis],)
    return None
