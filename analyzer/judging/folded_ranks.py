"""Whether a way can work on tensors of a higher rank than NNAPI's operands have, held with dimensions merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nnapi_check.analyzer.graph import Node, TensorType
from nnapi_check.analyzer.held_axes import merges_in_every_order, takes_axes
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Layout, Way


def folded_failures(way: Way, node: Node, uses: Uses, general: Sequence[Failure]) -> Iterator[Failure]:
    """What is in the way of a way that takes merged dimensions, of all that every way demands of tensors.

    An elementwise way needs tensors that repeat along all merged dimensions or none; one that works along some
    dimensions, that those are held alone. The requirements of other ways say what they need.
    """
    ranks = [failure for failure in general if failure.requirement == "rank"]
    yield from (failure for failure in general if failure.requirement != "rank")
    if ranks and not _fits(way, node, uses):
        yield from (
            replace(failure, found=f"{failure.found}, with dimensions that cannot be merged") for failure in ranks
        )


def _fits(way: Way, node: Node, uses: Uses) -> bool:
    match way.layout:
        case Layout.ANY:
            return _is_elementwise(node, uses)
        case Layout.AXES | Layout.REDUCTION:
            return _works_along_axes(node, uses)
        case _:
            return True


def _is_elementwise(node: Node, uses: Uses) -> bool:
    """Whether every tensor repeats so in both orders. A constant is repeated by its recipe."""
    made = [kind.shape for kind in _kinds(node.outputs, uses)]
    read = [value for value in node.inputs() if not uses.graph.values[value].is_constant]
    shapes = [kind.shape for kind in _kinds(read, uses) if kind.numel != 1 or kind.rank > MAX_RANK]
    whole = max(made, key=len, default=())
    return all(merges_in_every_order(shape, whole) for shape in [*made, *shapes])


def _works_along_axes(node: Node, uses: Uses) -> bool:
    """Whether the dimensions that it works along are held alone in one of both orders."""
    read = [value for value in node.inputs() if not uses.graph.values[value].is_constant]
    shapes = {kind.shape for kind in _kinds(read, uses)}
    made = [kind.shape for kind in _kinds(node.outputs, uses)]
    ranks = {len(shape) for shape in shapes}
    return len(ranks) == 1 and any(
        all(takes_axes(node, shape, result, nhwc=nhwc) for shape in shapes for result in made) for nhwc in (False, True)
    )


def _kinds(values: Sequence[int], uses: Uses) -> Iterator[TensorType]:
    for value in values:
        kind = uses.graph.tensor_type(value)
        if kind is not None:
            yield kind
