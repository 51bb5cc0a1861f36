"""Runs cards' examples and measures how far their numbers are from PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Graph, Node
from nnapi_check.analyzer.judging.judge import NodeVerdict, judge
from nnapi_check.analyzer.planning.layout import LayoutChanges, plan_layout
from nnapi_check.analyzer.planning.partition import Part
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import quiet
from nnapi_check.coverage_db.cards import Card, Example, Way
from nnapi_check.coverage_db.queries import Registry
from nnapi_check.coverage_db.targets import NDK
from nnapi_check.lowering.emission.rule_table import Rulebook, rules
from nnapi_check.lowering.examples.measured_errors import MeasuredExample, Measurements, measurements
from nnapi_check.lowering.examples.modules import example_module
from nnapi_check.lowering.part_lowering import PlannedGraph, lower_part
from nnapi_check.lowering.verification.comparison import Numbers, compare
from nnapi_check.lowering.verification.part_run import run_part


class ExampleError(Exception):
    """An example that should pass is not accepted by its way."""


def measure(registry: Registry, cards: Sequence[Card]) -> Measurements:
    """Measure every example of these cards that passes. Raises ``ExampleError`` where a way refuses one."""
    with warnings.catch_warnings():
        # The examples try what PyTorch warns of as well; the reader of a measurement cannot act on it.
        warnings.simplefilter("ignore", UserWarning)
        return measurements(f"PyTorch {torch.__version__}", _measured(registry, cards))


def _measured(registry: Registry, cards: Sequence[Card]) -> Iterator[MeasuredExample]:
    for card in cards:
        for way in card.ways:
            for example in way.examples:
                if example.expect is None:
                    yield measure_example(card, way, example, registry)


def measure_example(card: Card, way: Way, example: Example, registry: Registry) -> MeasuredExample:
    """The greatest error of what ``example_numbers`` finds."""
    level, _, numbers = example_numbers(card, way, example, registry)
    return _worst(card, way, example, level, numbers)


def example_numbers(card: Card, way: Way, example: Example, registry: Registry) -> tuple[int, Way, tuple[Numbers, ...]]:
    """Lower an example by one way, run it in the interpreter, and compare its outputs with PyTorch's.

    Gives the feature level that its model needs as well, and the way with the bound of this very call. Raises
    ``ExampleError`` where the way does not take it.
    """
    made = example_module(card, example)
    captured = capture(made.module, made.inputs, weights=True)
    graph = captured.graph
    node = _node_of(card, example, graph)
    judged = judge(graph, registry, registry.target(NDK), example.per_channel).nodes[node.id]
    verdict = next(found for found in judged.ways if found.way.name == way.name)
    level, bounded = verdict.level, verdict.way
    if level is None:
        raise ExampleError(f"{card.op}, way {way.name}: example {example.name} should pass and does not")
    verdicts = {node.id: NodeVerdict(node.op, way.status, way, level, ())}
    facts = {found.name: found for found in registry.operations()}
    layout = plan_layout(graph, verdicts, LayoutChanges(facts["RESHAPE"], facts["TRANSPOSE"]), level)
    lowered = lower_part(_part(node, graph), PlannedGraph(graph, verdicts, layout), Rulebook(rules(), facts))
    inputs = dict(zip(lowered.part.inputs, captured.example_inputs, strict=True))
    computed = run_part(lowered, graph, inputs, captured.tensor).outputs
    with quiet(), torch.no_grad():
        wanted = flat_tensors(captured.module._get_method("forward")(*captured.example_inputs))
    return (
        level,
        bounded,
        tuple(compare(computed[value], tensor) for value, tensor in zip(graph.body.outputs, wanted, strict=True)),
    )


def _node_of(card: Card, example: Example, graph: Graph) -> Node:
    found = [node for node in graph.nodes() if node.op == card.op]
    if len(found) != 1:
        raise ExampleError(f"{card.op}: example {example.name} has {len(found)} nodes of the op, one was wanted")
    return found[0]


def _part(node: Node, graph: Graph) -> Part:
    inputs = {value for value in node.inputs() if not graph.values[value].is_constant}
    return Part(0, (node.id,), tuple(sorted(inputs)), graph.body.outputs, 1, 1)


def _worst(card: Card, way: Way, example: Example, level: int, numbers: Sequence[Numbers]) -> MeasuredExample:
    steps = [found.steps for found in numbers if found.steps is not None]
    return MeasuredExample(
        op=card.op,
        way=way.name,
        example=example.name,
        level=level,
        max_absolute=max(found.max_absolute for found in numbers),
        max_relative=max(found.max_relative for found in numbers),
        steps=max(steps) if steps else None,
    )
