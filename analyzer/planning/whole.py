"""Whether one NNAPI model holds all of a graph, which a target that computes nothing beside it demands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nnapi_check.analyzer.graph import Graph, GraphInput, TensorType
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.analyzer.planning.partition import Partition, crosses
from nnapi_check.analyzer.planning.plan import Claim
from nnapi_check.analyzer.planning.score import counts
from nnapi_check.coverage_db.targets import Target

MOST_DIMENSIONS = 8
"""Of a tensor that an app hands over: NNAPI's own have fewer, but one may be passed on that no operation reads."""


def outside_one_model(
    graph: Graph,
    verdicts: Mapping[int, NodeVerdict],
    layout: LayoutPlan,
    partition: Partition,
    target: Target,
) -> tuple[Claim, ...]:
    """Everything of a graph that one NNAPI model does not hold, each as a claim; empty where it holds all."""
    cut = {value for _, value in layout.cuts if value in layout.given}
    orders = (
        Claim(f"input {place}", "is read in two orders of dimensions, and no operation of this level changes them")
        for place, value in enumerate(graph.body.inputs)
        if value in cut
    )
    return (*_outside(graph, verdicts, partition, target), *orders)


def _outside(
    graph: Graph, verdicts: Mapping[int, NodeVerdict], partition: Partition, target: Target
) -> Iterator[Claim]:
    inside = {node for part in partition.parts for node in part.nodes}
    left = [graph.by_id[node] for node, verdict in verdicts.items() if counts(verdict) and node not in inside]
    if left:
        rest = "stays" if len(left) == 1 else f"and {len(left) - 1} more {'op stays' if len(left) == 2 else 'ops stay'}"
        yield Claim(left[0].op, f"{rest} on the CPU", left[0].source)
    elif len(partition.parts) != 1:
        yield Claim("there", f"are {len(partition.parts)} NNAPI models, with the CPU between them")
    for place, value in enumerate(graph.body.inputs):
        if not _is_handed_over(graph, value, target):
            yield Claim(f"input {place}", f"is {graph.type_of(value)}, which cannot be handed over")
    made = {value for part in partition.parts for value in part.outputs}
    for place, value in enumerate(graph.body.outputs):
        if not _is_handed_over(graph, value, target):
            yield Claim(f"output {place}", f"is {graph.type_of(value)}, which cannot be handed over")
        elif not (left or value in made or _is_passed_on(graph, value)):
            yield Claim(f"output {place}", "is made on the CPU")


def _is_handed_over(graph: Graph, value: int, target: Target) -> bool:
    """Whether the target takes such a tensor from the app, and gives it back."""
    kind = graph.type_of(value)
    dtypes = {accepted.dtype for accepted in target.inputs}
    return (
        isinstance(kind, TensorType)
        and kind.dtype.name.lower() in dtypes
        and 0 not in kind.shape
        and kind.rank <= MOST_DIMENSIONS
        and crosses(graph, value, target)
    )


def _is_passed_on(graph: Graph, value: int) -> bool:
    """Whether a value is an input as it was given, or a constant, so that nothing computes it."""
    found = graph.values[value]
    return found.is_constant or isinstance(found.origin, GraphInput)
