"""A run to a tensor of rank 5 of which only places of one dimension are read: each place rearranged by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Node, Ref
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Miss, Rewrite, Surroundings
from nnapi_check.analyzer.rewrites.row_pooling import dims_of
from nnapi_check.analyzer.rewrites.runs.run import run_from

REARRANGE_PARTS = "nnapi_check.rearrange_parts.default"
"""The input as [``outer``, ``count``, ``inner``]: each place of the middle in ``indices``, rearranged by itself."""


def _match(first: Node, around: Surroundings) -> Match | Miss | None:
    run = run_from(first, around)
    if run is None or len(run.shape) > MAX_RANK or any(len(move.shape) <= MAX_RANK for move in run.moves):
        return None
    shape = run.moves[-1].shape
    readers = around.nodes_that_read(run.result)
    picked = [pick for node in readers if (pick := _picked(node, shape, around)) is not None]
    if len(shape) != MAX_RANK + 1 or not picked:
        return None
    other = next((node for node in readers if all(node is not pick.nodes[0] for pick in picked)), None)
    if other is not None:
        return Miss(len(run.moves) + len(picked), other, "it reads more than one place of a dimension")
    axis = picked[0].axis
    for pick in picked:
        if pick.axis != axis:
            return Miss(len(run.moves) + 1, pick.nodes[0], "it reads places of another dimension")
    seen = run.tracker.alone(axis)
    if seen is None:
        return Miss(len(run.moves), picked[0].nodes[0], "the dimension that it reads is scattered over the source")
    found = run.tracker.without(axis)
    return Match(
        REARRANGE_PARTS,
        {
            "self": Ref(run.moves[0].source),
            **dict(zip(("outer", "count", "inner"), seen, strict=True)),
            "indices": tuple(place for pick in picked for place in pick.places),
            "shape_before": found.before,
            "order": found.order,
            "shape_after": found.after,
        },
        nodes=(*run.nodes, *(node for pick in picked for node in pick.nodes)),
        at=picked[0].nodes[0],
        outputs=tuple(value for pick in picked for value in pick.nodes[-1].outputs),
    )


REARRANGED_PARTS = Rewrite(
    name="rearranged-parts",
    title="a rearrangement to rank 5 that is read place by place",
    begins=ByCard.MOVE,
    makes=frozenset({REARRANGE_PARTS}),
    match=_match,
)


@dataclass(frozen=True, slots=True)
class _Pick:
    """Nodes that pick ``places`` of a dimension, the last of which has an output for each."""

    nodes: tuple[Node, ...]
    axis: int
    places: tuple[int, ...]


def _picked(node: Node, shape: Sequence[int], around: Surroundings) -> _Pick | None:
    """What a node picks of a tensor of this shape; None where it does not, or reads more than single places."""
    dim, index = node.arguments.get("dim"), node.arguments.get("index")
    if not isinstance(dim, int) or node.is_constant:
        return None
    axis = dim % len(shape)
    if node.op == "aten.unbind.int":
        return _Pick((node,), axis, tuple(range(shape[axis])))
    if node.op == "aten.select.int" and isinstance(index, int):
        return _Pick((node,), axis, (index % shape[axis],))
    if node.op == "aten.slice.Tensor":
        return _sliced(node, axis, shape, around)
    return None


def _sliced(node: Node, axis: int, shape: Sequence[int], around: Surroundings) -> _Pick | None:
    """One place as decompositions pick it: a slice of it, and the dimension is taken away."""
    last = around.only_reader(node.outputs[0])
    if last is None or last.op not in ("aten.squeeze.dims", "aten.squeeze.dim"):
        return None
    start, size = node.arguments["start"], around.shape(node.outputs[0])
    if not isinstance(start, int) or size != (*shape[:axis], 1, *shape[axis + 1 :]):
        return None
    # Of several dimensions of 1, which one is taken away is seen by its number.
    place = min(max(start + shape[axis] if start < 0 else start, 0), shape[axis] - 1)
    return _Pick((node, last), axis, (place,)) if dims_of(last, len(shape)) == (axis,) else None
