"""Lowering a function as one part, at every feature level, and comparing its numbers with PyTorch's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.judging.judge import LEVELS, Judgement, NodeVerdict, judge
from nnapi_check.analyzer.planning.layout import LayoutChanges, LayoutPlan, plan_layout
from nnapi_check.analyzer.planning.partition import Part
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.queries import Registry
from nnapi_check.coverage_db.targets import PER_CHANNEL, PYTORCH_MOBILE, PerChannelChoice
from nnapi_check.lowering.emission.rule_table import Rulebook, rules
from nnapi_check.lowering.part_lowering import LoweredPart, PlannedGraph, lower_part
from nnapi_check.lowering.verification.part_run import run_part
from tests.tolerances import MAX_STEPS, allowed_by, difference

Function = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Run:
    """One lowering of a whole graph: the ways taken, the layout, its numbers, and what differs from PyTorch."""

    ways: tuple[str, ...]
    layout: LayoutPlan
    lowered: LoweredPart
    outputs: tuple[torch.Tensor, ...]
    differences: tuple[str, ...]


def captured_function(function: Function, inputs: Sequence[torch.Tensor]) -> Captured:
    class Module(torch.nn.Module):
        def forward(self, *given: torch.Tensor) -> object:
            return function(*given)

    module = function.eval() if isinstance(function, torch.nn.Module) else Module().eval()
    traced = torch.jit.trace(module, tuple(inputs), check_trace=False)  # type: ignore[no-untyped-call]  # no types
    return capture(traced, tuple(inputs), weights=True)


def judged_function(
    captured: Captured,
    registry: Registry,
    target: str = PYTORCH_MOBILE,
    per_channel: PerChannelChoice = PER_CHANNEL,
) -> Judgement:
    return judge(captured.graph, registry, registry.target(target), per_channel)


def runs(
    function: Function,
    inputs: Sequence[torch.Tensor],
    registry: Registry,
    target: str = PYTORCH_MOBILE,
    per_channel: PerChannelChoice = PER_CHANNEL,
) -> dict[int, Run]:
    """A run for every feature level that supports every node in one part; levels that take the same ways share one."""
    captured = captured_function(function, inputs)
    judgement = judged_function(captured, registry, target, per_channel)
    changes = LayoutChanges(registry.operation("RESHAPE"), registry.operation("TRANSPOSE"))
    found: dict[int, Run] = {}
    known: dict[tuple[str, ...], Run] = {}
    for level in LEVELS:
        verdicts = judgement.at(level)
        taken = [(verdict.op, verdict.way) for verdict in verdicts.values() if verdict.way is not None]
        ways = tuple(f"{op}/{way.name}{' as floats' * bool(way.carried)}" for op, way in taken)
        if len(ways) != len(verdicts) or not verdicts:
            continue
        layout = plan_layout(captured.graph, verdicts, changes, level)
        if layout.cuts:
            continue
        if ways not in known:
            known[ways] = _run(captured, verdicts, layout, ways, registry)
        assert known[ways].lowered.level <= level
        found[level] = known[ways]
    return found


def _run(
    captured: Captured,
    verdicts: Mapping[int, NodeVerdict],
    layout: LayoutPlan,
    ways: tuple[str, ...],
    registry: Registry,
) -> Run:
    graph = captured.graph
    facts = {operation.name: operation for operation in registry.operations()}
    made = [value for node in verdicts for value in graph.by_id[node].outputs]
    given = [value for value in graph.body.inputs if value not in made]
    part = Part(0, tuple(sorted(verdicts)), tuple(given), graph.body.outputs, 1, 1)
    lowered = lower_part(part, PlannedGraph(graph, verdicts, layout), Rulebook(rules(), facts))
    computed = run_part(lowered, graph, dict(zip(given, captured.example_inputs, strict=True)), captured.tensor).outputs
    wanted = captured.module._get_method("forward")(*captured.example_inputs)
    listed = [wanted] if isinstance(wanted, torch.Tensor) else list(wanted)
    bounds = [verdict.way.bound for verdict in verdicts.values() if verdict.way and verdict.way.bound]
    # These graphs have few ops, and none that makes an error much larger.
    roundings = sum(verdict.way.rounding or 0.0 for verdict in verdicts.values() if verdict.way)
    allowed = Bound(
        absolute=2 * sum(item.absolute for item in bounds) + roundings,
        relative=2 * sum(item.relative for item in bounds),
    )
    steps = max([MAX_STEPS, *(item.steps for item in bounds)])
    differences = [
        difference(computed[value], expected, allowed_by(allowed, expected), steps=steps)
        for value, expected in zip(graph.body.outputs, listed, strict=True)
    ]
    outputs = tuple(computed[value] for value in graph.body.outputs)
    return Run(ways, layout, lowered, outputs, tuple(text for text in differences if text))
