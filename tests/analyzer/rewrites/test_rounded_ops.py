"""Float ops between a dequantize and a quantize become ops on integers, and nothing else is taken for them."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    hardtanh,
    interpolate,
    leaky_relu,
    max_pool1d,
    max_pool2d,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
)

from benchmarks.exported_quantization import Between, RoundedWeight, Steps
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.graph import Node, Ref, TensorType
from nnapi_check.lowering.verification.reference import graph_values
from tests.analyzer.torch_models import Called
from tests.cards import cards

Function = Callable[..., torch.Tensor]

FROM_ZERO = Steps(0.031, -128, torch.int8)
AROUND = Steps(0.047, 121)
OTHER = Steps(0.052, 121)
IMAGE = (2, 4, 5, 6)
SLOPE = 0.2


def made(function: Function, after: Steps = AROUND) -> list[Node]:
    """The nodes that stand for others between what is rounded to AROUND and to ``after``."""
    captured = capture(Between(function, AROUND, after).eval(), [torch.randn(IMAGE)], weights=False)
    return [node for node in captured.graph.nodes() if node.covers]


CONV = RoundedWeight(nn.Conv2d(4, 3, 2))
LINEAR = RoundedWeight(nn.Linear(6, 3))

LAYERS: dict[str, tuple[Function, str]] = {
    "convolution": (CONV, "quantized.conv2d.new"),
    "convolution of parts": (RoundedWeight(nn.Conv2d(4, 4, 2, groups=2)), "quantized.conv2d.new"),
    "scale for each channel": (RoundedWeight(nn.Conv2d(4, 3, 2), per_channel=True), "quantized.conv2d.new"),
    "weight of floats that is rounded": (RoundedWeight(nn.Conv2d(4, 3, 2), folded=False), "quantized.conv2d.new"),
    "without bias": (RoundedWeight(nn.Conv2d(4, 3, 2, bias=False)), "quantized.conv2d.new"),
    "convolution and relu": (nn.Sequential(CONV, nn.ReLU()), "quantized.conv2d_relu.new"),
    "transposed": (RoundedWeight(nn.ConvTranspose2d(4, 3, 2)), "quantized.conv_transpose2d.default"),
    "layer": (LINEAR, "quantized.linear.default"),
    "layer and relu": (nn.Sequential(LINEAR, nn.ReLU()), "quantized.linear_relu.default"),
    "layer that is clamped from 0": (
        nn.Sequential(LINEAR, Called(lambda x: x.clamp(min=0))),
        "quantized.linear_relu.default",
    ),
    "sum": (lambda x: x + OTHER.rounded(x), "quantized.add.default"),
    "sum with itself": (lambda x: x + x, "quantized.add.default"),
    "sum and relu": (lambda x: torch.relu(x + OTHER.rounded(x)), "quantized.add_relu.default"),
    "product": (lambda x: x * OTHER.rounded(x), "quantized.mul.default"),
    "joined": (lambda x: torch.cat([x, OTHER.rounded(x), x], 1), "quantized.cat.default"),
    "leaky": (lambda x: leaky_relu(x, SLOPE), "quantized.leaky_relu.default"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_rounded_is_one_op_on_integers(name: str) -> None:
    function, op = LAYERS[name]

    node = made(function, Steps(0.081, 93))[-1]

    assert node.op == op
    stated = {key: node.arguments[key] for key in node.arguments if key in ("scale", "output_scale")}
    assert list(stated.values()) == [Steps(0.081, 93).single]


def test_a_sigmoid_of_any_steps_is_one_op() -> None:
    for after in (Steps(1 / 256, 0), Steps(1 / 256, -128, torch.int8), Steps(1 / 255, 0)):
        assert [node.op for node in made(torch.sigmoid, after)] == ["quantized.sigmoid.default"]


@pytest.mark.parametrize(
    ("after", "count"),
    [(Steps(1 / 128, 128), 1), (Steps(1 / 128, 0, torch.int8), 1), (Steps(1 / 128, 0), 0), (Steps(1 / 127, 128), 0)],
    ids=str,
)
def test_a_tangent_is_an_op_on_integers_where_it_is_rounded_to_the_steps_that_nnapi_gives(
    after: Steps, count: int
) -> None:
    assert [node.op for node in made(torch.tanh, after)] == ["aten.tanh.default"] * count


KEPT: dict[str, Function] = {
    "aten.relu.default": torch.relu,
    "aten.hardtanh.default": lambda x: hardtanh(x, -0.5, 2.0),
    "aten.clamp.default": lambda x: x.clamp(-1.0, 2.0),
    "aten.constant_pad_nd.default": lambda x: torch.constant_pad_nd(x, [1, 2], 0.5),
    "aten.pad.default": lambda x: pad(x, (1, 2, 0, 1), "reflect"),
    "aten.max_pool2d.default": lambda x: max_pool2d(x, 2),
    "aten.avg_pool2d.default": lambda x: avg_pool2d(x, 2),
    "aten.adaptive_avg_pool2d.default": lambda x: adaptive_avg_pool2d(x, (2, 3)),
    "aten.mean.dim": lambda x: x.mean((2, 3)),
    "aten.upsample_nearest2d.vec": lambda x: interpolate(x, scale_factor=2.0),
    "aten.upsample_nearest2d.default": lambda x: torch.ops.aten.upsample_nearest2d.default(x, [10, 12]),
    "aten.slice.Tensor": lambda x: torch.ops.aten.slice(x, 1, 1, 3),
    "aten.select.int": lambda x: torch.ops.aten.select(x, 1, 2),
    "aten.flip.default": lambda x: x.flip(2),
    "aten.pixel_shuffle.default": lambda x: pixel_shuffle(x, 2),
    "aten.expand.default": lambda x: x.expand(3, 2, 4, 5, 6),
    "aten.repeat.default": lambda x: x.repeat(1, 2, 1, 1),
    "aten.amax.default": lambda x: x.amax(1),
    "aten.amin.default": lambda x: x.amin((2, 3)),
    "aten.relu6.default": lambda x: torch.ops.aten.relu6(x),
    "aten.mean.default": lambda x: x.mean(),
    "aten.tile.default": lambda x: x.tile(1, 2, 1, 1),
    "aten.stack.default": lambda x: torch.stack([x, x], 1),
    "aten.channel_shuffle.default": lambda x: torch.channel_shuffle(x, 2),
    "aten.pixel_unshuffle.default": lambda x: pixel_unshuffle(x, 2),
    "aten.index_select.default": lambda x: x.index_select(1, torch.tensor([2, 0])),
    "aten.narrow.default": lambda x: torch.narrow(x, 1, 1, 2),
    "aten.max_pool1d.default": lambda x: max_pool1d(x, 2),
    "aten.avg_pool1d.default": lambda x: avg_pool1d(x, 2),
    "aten.adaptive_avg_pool1d.default": lambda x: adaptive_avg_pool1d(x, 2),
    "aten.upsample_bilinear2d.vec": lambda x: interpolate(x, scale_factor=2.0, mode="bilinear"),
    "aten.upsample_bilinear2d.default": lambda x: torch.ops.aten.upsample_bilinear2d.default(x, [10, 12], False),
    "aten._upsample_nearest_exact2d.vec": lambda x: interpolate(x, scale_factor=2.0, mode="nearest-exact"),
    "aten._upsample_nearest_exact2d.default": lambda x: torch.ops.aten._upsample_nearest_exact2d.default(x, [10, 12]),
}
SHAPES = {
    "aten.pixel_unshuffle.default": (2, 3, 4, 6),
    "aten.stack.default": (2, 4, 6),
    **dict.fromkeys(
        ("aten.max_pool1d.default", "aten.avg_pool1d.default", "aten.adaptive_avg_pool1d.default"), (2, 4, 6)
    ),
}
SEVERAL = ("unbind.int", "chunk.default", "split.Tensor", "split_with_sizes.default")
MOVES: dict[str, Function] = {
    "aten.view.default": lambda x: x.view(8, 30),
    "aten.permute.default": lambda x: x.permute(0, 2, 3, 1),
    "aten.flatten.using_ints": lambda x: x.flatten(1),
    "aten.unsqueeze.default": lambda x: x.unsqueeze(0),
}


def test_every_op_that_cards_keep_is_tried_here() -> None:
    forms = {card.op: card.quantized for card in cards().values() if card.quantized is not None}
    kept = {op for op, form in forms.items() if form.call.op == op and form.gives is None}

    # Ops of several results stay in floats, and rewrites make others after.
    assert {op for op in kept if op.startswith("aten.")} - set(KEPT) == {f"aten.{op}" for op in SEVERAL}


@pytest.mark.parametrize("op", [*KEPT, *MOVES])
def test_an_op_that_keeps_its_steps_is_the_same_op_on_integers(op: str) -> None:
    function = {**KEPT, **MOVES}[op]
    module = Between(function, AROUND, AROUND).eval()
    captured = capture(module, [torch.randn(SHAPES.get(op, IMAGE))], weights=False)

    node = next(node for node in captured.graph.nodes() if node.covers)

    assert node.op == op
    values = graph_values(captured, [*node.inputs(), *node.outputs], captured.example_inputs)
    (source,) = {value for value in node.inputs() if values[value].is_quantized}
    found = function(values[source].dequantize())
    assert torch.equal(torch.quantize_per_tensor(found, *steps_of(captured, node)), values[node.outputs[0]])


def steps_of(captured: Captured, node: Node) -> tuple[float, int, torch.dtype]:
    kind = captured.graph.type_of(node.outputs[0])
    assert isinstance(kind, TensorType)
    return AROUND.single, AROUND.zero_point, torch.quint8


def test_bounds_beyond_which_the_integers_end_anyway_are_left_out() -> None:
    up_to_six = Steps(6 / 255, -128, torch.int8)

    (node,) = made(nn.Sequential(CONV, nn.ReLU6()), up_to_six)

    assert node.op == "quantized.conv2d.new"


@pytest.mark.parametrize(
    ("function", "after"),
    [
        pytest.param(nn.Sequential(CONV, nn.ReLU6()), Steps(0.05, 0), id="six is within the steps"),
        pytest.param(nn.Sequential(CONV, nn.Hardtanh()), Steps(0.05, 121), id="bounds on both sides"),
        pytest.param(nn.Sequential(CONV, nn.Tanh()), AROUND, id="tanh between"),
        pytest.param(torch.relu, OTHER, id="relu to other steps"),
        pytest.param(lambda x: max_pool2d(x, 2), OTHER, id="pool to other steps"),
        pytest.param(nn.Conv2d(4, 3, 2), AROUND, id="a weight of floats"),
        pytest.param(lambda x: torch.add(x, OTHER.rounded(x), alpha=2), AROUND, id="a multiple is added"),
        pytest.param(lambda x: x + 1, AROUND, id="a number is added"),
        pytest.param(lambda x: x + torch.sin(x), AROUND, id="floats are added"),
        pytest.param(lambda x: torch.cat([x, torch.sin(x)]), AROUND, id="floats are joined"),
        pytest.param(lambda x: torch.relu(x + x.amax()), AROUND, id="two ops between"),
    ],
)
def test_what_is_not_rounded_on_both_sides_stays_in_floats(function: Function, after: Steps) -> None:
    assert [node.op for node in made(function, after) if node.op.startswith(("quantized.", "aten.relu"))] == []


def test_floats_that_something_else_reads_stay() -> None:
    def read(x: torch.Tensor) -> torch.Tensor:
        floats = AROUND.rounded(x)
        hidden = floats + floats
        return AROUND.rounded(hidden) + hidden

    captured = capture(Called(read).eval(), [torch.randn(IMAGE)], weights=False)

    assert not any(node.covers for node in captured.graph.nodes())


def test_a_bias_that_is_computed_stays_in_floats() -> None:
    def biased(x: torch.Tensor) -> torch.Tensor:
        weight = OTHER.rounded(torch.ones(3, 4, 2, 2))
        return torch.conv2d(x, weight, x.flatten()[:3])

    assert made(biased) == []


def test_floats_that_several_read_are_made_for_each() -> None:
    def several(x: torch.Tensor) -> torch.Tensor:
        floats = AROUND.rounded(x)
        return AROUND.rounded(torch.relu(floats)) + OTHER.rounded(floats + floats) + OTHER.rounded(floats * floats)

    captured = capture(Called(several).eval(), [torch.randn(IMAGE)], weights=False)

    ops = {node.op for node in captured.graph.nodes() if node.covers}
    assert ops == {"quantized.add.default", "aten.relu.default", "quantized.mul.default"}


def test_a_model_of_packed_parameters_is_left_as_it_is() -> None:
    class Quantized(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            steps = torch.quantize_per_tensor(x, 0.05, 120, torch.quint8)
            return torch.relu(steps).dequantize()

    captured = capture(Quantized(), [torch.randn(IMAGE)], weights=False)

    assert not any(node.covers for node in captured.graph.nodes())


def test_the_input_of_a_layer_is_what_was_quantized() -> None:
    captured = capture(Between(CONV, AROUND, OTHER).eval(), [torch.randn(IMAGE)], weights=False)
    first = next(captured.graph.nodes())
    (node,) = [node for node in captured.graph.nodes() if node.covers]

    assert node.arguments["input"] == Ref(first.outputs[0])
