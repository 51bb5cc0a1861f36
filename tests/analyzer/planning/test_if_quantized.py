"""What a graph of floats would be once it is quantized."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.judging.arithmetic import takes_quantized
from nnapi_check.analyzer.judging.judge import LEVELS
from nnapi_check.analyzer.planning.if_quantized import IfQuantized, as_quantized
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Card, Example
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE
from nnapi_check.lowering.examples.modules import example_module
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from tests.analyzer.torch_models import Called
from tests.cards import cards

FLOATS, INTEGERS = "f32[", "quint8(0.05,120)["
CARDS = [card for card in cards().values() if card.quantized is not None]
EXAMPLES = [
    (card, example)
    for card in CARDS
    for way in card.ways
    for example in way.examples
    if example.expect is None and "f32" in str(example.tensors) and "quint8" not in str(example.tensors)
]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def quantized(module: nn.Module, *inputs: torch.Tensor) -> IfQuantized:
    """What a module would be."""
    return as_quantized(capture(module.eval(), list(inputs), weights=False).graph, open_registry())


def ops(graph: Graph) -> list[str]:
    """The ops of a graph, without namespace and overload."""
    return [node.op.split(".")[1] for node in graph.nodes()]


def of_integers(example: Example) -> Example:
    """An example of floats, on quantized tensors."""

    def turned(spec: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(spec, tuple):
            return tuple(part.split("=")[0].replace(FLOATS, INTEGERS) for part in spec)
        return spec.split("=")[0].strip().replace(FLOATS, INTEGERS)

    return replace(example, tensors=tuple((name, turned(spec)) for name, spec in example.tensors))


FLOATS_ONLY = ("aten.amax.default", "aten.amin.default")
"""Ops that stay themselves, and that PyTorch computes between a dequantize and a quantize only."""
STAY = {card.op: card for card in CARDS if card.quantized and card.quantized.call.op == card.op}


@pytest.mark.parametrize("op", sorted(STAY.keys() - set(FLOATS_ONLY)))
def test_op_that_stays_itself_computes_quantized_tensors_in_pytorch(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    card = STAY[op]
    # QNNPACK clamps to two numbers only.
    monkeypatch.setattr(torch.backends.quantized, "engine", "x86")
    example = next(of_integers(example) for of, example in EXAMPLES if of is card)

    made = example_module(card, example)
    found = made.module(*made.inputs)

    assert card.quantized is not None
    wanted = card.quantized.gives or (0.05, 120)
    for result in [found] if isinstance(found, torch.Tensor) else found:
        assert result.is_quantized
        assert (result.q_scale(), result.q_zero_point()) == pytest.approx(wanted)


@pytest.mark.parametrize(("card", "example"), EXAMPLES, ids=[f"{card.op}-{example.name}" for card, example in EXAMPLES])
def test_what_is_promised_of_a_quantized_call_is_lowered(card: Card, example: Example, registry: Registry) -> None:
    made = example_module(card, example)
    graph = capture(made.module, made.inputs, weights=False).graph

    found = as_quantized(graph, registry)

    assert [node.id for node in found.graph.nodes()] == list(range(len(list(found.graph.nodes()))))
    surveyed = survey(found.graph, registry, registry.target(PYTORCH_MOBILE), gain=0)
    for level in (3, 8):
        plan = surveyed.at(level)
        assert len(lower_plan(surveyed, plan, FactsByName(registry))) == len(plan.partition.parts)
    kept = [node for node in found.graph.nodes() if node.op == card.op and not takes_quantized(node, Uses(found.graph))]
    assert bool(kept) == any(item.node.op == card.op for item in found.stays)


def test_normalization_and_relu_go_into_the_layer_before_them() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 8, (3, 2), bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())

    found = quantized(layers, torch.rand(1, 3, 7, 9))

    assert ops(found.graph) == ["quantize_per_tensor", "conv2d_relu", "flatten", "dequantize"]
    assert found.stays == ()


def test_result_that_is_read_twice_keeps_what_follows_apart() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 8, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.layer(x)
            found: torch.Tensor = torch.relu(y) + y
            return found

    assert ops(quantized(Twice(), torch.rand(1, 3, 7, 9)).graph)[1:4] == ["conv2d", "relu", "add"]


def test_op_without_a_form_stays_in_floats_between_conversions() -> None:
    layers = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.ReLU(), nn.Linear(7, 3))

    found = quantized(layers, torch.rand(2, 5))

    plain = [
        "quantize_per_tensor",
        "linear",
        "dequantize",
        "gelu",
        "relu",
        "quantize_per_tensor",
        "linear",
        "dequantize",
    ]
    assert ops(found.graph) == plain
    assert [(item.node.op, item.because) for item in found.stays] == [
        ("aten.gelu.default", "no card says what it becomes on quantized tensors"),
        ("aten.relu.default", "what it reads stays in floats"),
    ]


def test_call_with_an_argument_that_the_form_has_not_stays_in_floats() -> None:
    class Scaled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.add(x, x.flip(0), alpha=2)

    (*_, added) = quantized(Scaled(), torch.rand(3, 5)).stays

    assert (added.node.op, added.because) == ("aten.add.Tensor", "its quantized form wants alpha=1")


def test_sum_with_a_number_stays_in_floats() -> None:
    (added,) = quantized(Called(lambda x: x + 1), torch.rand(3, 5)).stays

    assert (added.node.op, added.because) == ("aten.add.Tensor", "its quantized form takes a tensor as other")


def test_layer_whose_bias_is_computed_stays_in_floats() -> None:
    weight = torch.rand(4, 5)
    (layer,) = quantized(Called(lambda x: linear(x, weight, x.flatten()[:4])), torch.rand(3, 5)).stays

    assert (layer.node.op, layer.because) == ("aten.linear.default", "its bias is computed")


def test_tensors_of_whole_numbers_are_not_quantized() -> None:
    class Counted(nn.Module):
        def forward(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
            return x + (places + places)

    found = quantized(Counted(), torch.rand(3, 5), torch.ones(3, 5, dtype=torch.long))

    assert "quantize_per_tensor" not in ops(found.graph)
    assert [item.because for item in found.stays] == ["it reads or gives tensors that are not float32 of known shape"]


def test_branches_stay_as_they_are() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.layer(x)
            return torch.sin(y) if bool(y.sum() > 0) else torch.cos(y)

    graph = capture(torch.jit.script(Branching()), [torch.rand(3, 5)], weights=False).graph
    found = as_quantized(graph, open_registry())

    assert ops(found.graph)[:3] == ["quantize_per_tensor", "linear", "dequantize"]
    assert [item.because for item in found.stays[-2:]] == ["it stands in a branch or loop"] * 2
    for target in ("pytorch-mobile", "ndk"):
        plans = survey(found.graph, open_registry(), open_registry().target(target)).plans
        assert len(plans) == len(LEVELS)
