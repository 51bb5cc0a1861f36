"""Every example of every card, three ways: its verdict, its model's validity and level, its numbers against PyTorch."""

import pytest
import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.judging.arithmetic import CONVERSIONS, FLOATS, Arithmetic
from nnapi_check.analyzer.judging.judge import LEVELS, Judgement, NodeVerdict, judge
from nnapi_check.analyzer.planning.layout import LayoutChanges, plan_layout
from nnapi_check.analyzer.planning.partition import Part
from nnapi_check.analyzer.planning.work import multiply_adds
from nnapi_check.coverage_db.cards import Card, Example, Way
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE
from nnapi_check.lowering.emission.rule_table import Rulebook, rules
from nnapi_check.lowering.examples.modules import example_module
from nnapi_check.lowering.part_lowering import LoweredPart, PlannedGraph, lower_part
from nnapi_check.lowering.verification.part_run import run_part
from tests.analyzer.told_reasons import faults
from tests.cards import cards
from tests.tolerances import MAX_STEPS, allowed_by, difference

CASES = [(card, way, example) for card in cards().values() for way in card.ways for example in way.examples]


QUANTIZED = [
    pytest.param(card, example, id=f"{card.op}-{way.name}-{example.name}")
    for card, way, example in CASES
    if any(word in str(example.tensors) for word in ("quint8(", "qint8("))
]


def parameters(*, breaking: bool) -> list[object]:
    return [
        pytest.param(card, way, example, id=f"{card.op}-{way.name}-{example.name}")
        for card, way, example in CASES
        if (example.expect is not None) == breaking
    ]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def computed_in(lowered: LoweredPart) -> Arithmetic:
    """What a model computes in, by every tensor that its operations take and give."""
    operations = [operation for operation in lowered.model.operations if operation.kind not in CONVERSIONS]
    types = {
        lowered.model.operands[operand].type
        for operation in operations
        for operand in (*operation.inputs, *operation.outputs)
    }
    if not operations:
        return Arithmetic.NONE
    return Arithmetic.FLOATS if types & FLOATS else Arithmetic.INTEGERS


def captured_example(card: Card, example: Example) -> Captured:
    made = example_module(card, example)
    return capture(made.module, made.inputs, weights=True)


def judged(captured: Captured, card: Card, example: Example, registry: Registry) -> tuple[Judgement, Node]:
    judgement = judge(captured.graph, registry, registry.target(NDK), example.per_channel)
    (node,) = [node for node in captured.graph.nodes() if node.op == card.op]
    return judgement, node


@pytest.mark.parametrize(("card", "way", "example"), parameters(breaking=True))
def test_example_breaks_the_requirement_it_names_and_no_other(
    card: Card, way: Way, example: Example, registry: Registry
) -> None:
    judgement, node = judged(captured_example(card, example), card, example, registry)

    own = [found for found in judgement.nodes[node.id].ways if not found.way.carried]
    (found,) = [found for found in own if found.way.name == way.name]

    requirement = next(item for item in way.requires if item.id == example.expect)
    if requirement.until is None:
        assert [failure.requirement for failure in found.failures] == [example.expect]
    else:
        assert found.level == requirement.until + 1
    told = [fault for level in (1, 3, 8) for fault in faults(judgement.nodes[node.id].at(level), level)]
    assert told == []


@pytest.mark.parametrize("target", [NDK, PYTORCH_MOBILE])
@pytest.mark.parametrize(("card", "example"), QUANTIZED)
def test_quantized_call_in_floats_says_why_and_what_to_do(
    card: Card, example: Example, target: str, registry: Registry
) -> None:
    captured = captured_example(card, example)
    (node,) = [node for node in captured.graph.nodes() if node.op == card.op]
    judged = judge(captured.graph, registry, registry.target(target)).nodes[node.id]

    for level in LEVELS:
        verdict = judged.at(level)
        assert bool(verdict.in_floats) == (judged.is_quantized and verdict.arithmetic is Arithmetic.FLOATS)
        assert list(faults(verdict, level)) == []
    integers = [
        found
        for found in judged.ways
        if found.arithmetic is Arithmetic.INTEGERS
        and "unquantized" not in [failure.requirement for failure in found.failures]
    ]
    assert not integers or all(found.way.in_floats is None for found in judged.ways)


@pytest.mark.parametrize(("card", "way", "example"), parameters(breaking=False))
def test_example_is_lowered_to_a_legal_model_that_computes_the_same(
    card: Card, way: Way, example: Example, registry: Registry
) -> None:
    captured = captured_example(card, example)
    judgement, node = judged(captured, card, example, registry)
    verdict = verdict_by(way, node, judgement)

    lowered = lowered_alone(captured, node, verdict, registry)

    if judgement.nodes[node.id].is_quantized or multiply_adds(node, captured.graph):
        assert computed_in(lowered) is verdict.arithmetic
    inputs = dict(zip(lowered.part.inputs, captured.example_inputs, strict=True))
    computed = run_part(lowered, captured.graph, inputs, captured.tensor).outputs
    wanted = captured.module._get_method("forward")(*captured.example_inputs)
    wanted_list = [wanted] if isinstance(wanted, torch.Tensor) else list(wanted)
    for value, expected in zip(captured.graph.body.outputs, wanted_list, strict=True):
        limit, steps = allowed(way, captured, expected), allowed_steps(verdict)
        assert difference(computed[value], expected, limit, steps=steps) == ""


def allowed(way: Way, captured: Captured, expected: torch.Tensor) -> torch.Tensor | None:
    """What the bound of a way allows, where it has one. If that is of the input, PyTorch's own answers tell."""
    if way.bound is None:
        return None
    if not way.bound.of_input:
        return allowed_by(way.bound, expected)
    (x,) = captured.example_inputs
    half_step = way.bound.of_input * (x.max().clamp_min(0) - x.min().clamp_max(0))
    signs = [torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).sign() for seed in range(16)]
    forward = captured.module._get_method("forward")
    moved = torch.stack([forward(x + sign * half_step) - expected for sign in signs])
    return moved.abs().amax(0).clamp_min(float(moved.abs().mean()))


def verdict_by(way: Way, node: Node, judgement: Judgement) -> NodeVerdict:
    """The verdict that one way gives, which is to accept the node."""
    own = [found for found in judgement.nodes[node.id].ways if not found.way.carried]
    (found,) = [found for found in own if found.way.name == way.name]
    assert found.failures == ()
    assert found.level is not None
    return NodeVerdict(node.op, found.way.status, found.way, found.level, (), arithmetic=found.arithmetic)


def allowed_steps(verdict: NodeVerdict) -> int:
    """How many steps a quantized result may be off: as many as the bound says, where it is that of this very call."""
    bound = None if verdict.way is None else verdict.way.bound
    return MAX_STEPS if bound is None else max(MAX_STEPS, bound.steps)


def lowered_alone(captured: Captured, node: Node, verdict: NodeVerdict, registry: Registry) -> LoweredPart:
    graph = captured.graph
    facts = {facts.name: facts for facts in registry.operations()}
    changes = LayoutChanges(facts["RESHAPE"], facts["TRANSPOSE"])
    layout = plan_layout(graph, {node.id: verdict}, changes, verdict.level or 1)
    inputs = tuple(value for value in dict.fromkeys(node.inputs()) if not graph.values[value].is_constant)
    part = Part(0, (node.id,), tuple(sorted(inputs)), graph.body.outputs, 1, 1)
    return lower_part(part, PlannedGraph(graph, {node.id: verdict}, layout), Rulebook(rules(), facts))
