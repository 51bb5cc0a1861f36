"""Quantization parameters that none may have, and results beyond the reach of integers, are refused with a reason."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
import torch

from benchmarks.exported_quantization import Between, RoundedWeight, Steps
from nnapi_check import check, convert
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Graph, PerChannel, PerTensor, Quantization, TensorType
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.analyzer.torchscript import quantized_as_on_phones, trace
from nnapi_check.coverage_db.cards import Example
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.modules import example_module
from tests.cards import cards


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def graph_of(op: str, tensors: Sequence[tuple[str, str]], **args: float) -> Graph:
    example = Example("drawn", tuple(tensors), tuple(args.items()))
    with quantized_as_on_phones():
        made = example_module(cards()[op], example)
        return capture(made.module, list(made.inputs), weights=False).graph


def refused(graph: Graph, registry: Registry) -> list[str]:
    verdicts = judge(graph, registry, registry.target("ndk")).at(8).values()
    return [failure.requirement for verdict in verdicts for failure in verdict.failures]


def with_output(graph: Graph, quant: Quantization) -> Graph:
    (output,) = graph.body.outputs
    value = graph.values[output]
    assert isinstance(value.type, TensorType)
    changed = replace(value, type=replace(value.type, quant=quant))
    return replace(graph, values=tuple(changed if item is value else item for item in graph.values))


CAT = ("quantized.relu6.default", [("qx", "quint8(0.05,100)[2,3]")])


@pytest.mark.parametrize("scale", [0.0, -0.1, nan, inf, 1e-46, 1e-40, 1e39])
def test_scales_that_float32_cannot_divide_by_are_refused(scale: float, registry: Registry) -> None:
    graph = graph_of(*CAT)

    assert refused(with_output(graph, PerTensor(scale, 0)), registry) == ["scale"]
    assert "scale" in refused(with_output(graph, PerChannel((0.1, scale, 0.2), (0, 0, 0), 1)), registry)


@pytest.mark.parametrize("zero_point", [-1, 256])
def test_zero_points_that_are_not_stored_are_refused(zero_point: int, registry: Registry) -> None:
    assert refused(with_output(graph_of(*CAT), PerTensor(0.05, zero_point)), registry) == ["zero-point"]


@pytest.mark.parametrize("zero_point", [0, 255])
def test_extremes_are_accepted(zero_point: int, registry: Registry) -> None:
    assert refused(with_output(graph_of(*CAT), PerTensor(1e-6, zero_point)), registry) == []


def layer(input_scale: float, weight: str, output_scale: float, bias: str = "f32[7]!") -> Graph:
    tensors = [("input", f"quint8({input_scale},3)[2,5]"), ("weight", weight), ("bias", bias)]
    return graph_of("quantized.linear.default", tensors, output_scale=output_scale, output_zero_point=3)


def test_a_bias_that_overflows_in_its_steps_is_refused(registry: Registry) -> None:
    assert refused(layer(1e-6, "qint8(1e-5,0)[7,5]!", 0.1), registry) == ["bias-fits"]
    assert refused(layer(1e-3, "qint8(1e-5,0)[7,5]!", 0.1), registry) == []


@pytest.mark.parametrize("bias", ["2e7", "-2e7", "inf", "nan"])
def test_a_bias_that_was_read_is_held_to_its_steps(bias: str, registry: Registry) -> None:
    # 2 to the power of 30 steps of 0.01 are 1.07e7.
    assert refused(layer(0.5, "qint8(0.02,0)[7,5]!", 0.1, f"f32[7]! = 0.5, {bias}"), registry)[0] == "bias-fits"
    assert refused(layer(0.5, "qint8(0.02,0)[7,5]!", 0.1, "f32[7]! = 0.5, -1e7"), registry) == []


class Layered(torch.nn.Module):
    """A quantized layer whose bias counts steps of 0.001."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        make: Callable[[int, int], torch.ao.nn.quantized.Linear] = torch.ao.nn.quantized.Linear
        self.layer = make(5, 7)
        weight = torch.quantize_per_tensor(torch.randn(7, 5), 0.01, 0, torch.qint8)
        self.layer.set_weight_bias(weight, torch.full((7,), bias))
        self.layer.scale, self.layer.zero_point = 4e3, 3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(torch.quantize_per_tensor(x, 0.1, 5, torch.quint8)).dequantize()
        return found


def saved(form: str, bias: float, folder: Path) -> Path:
    x, path = torch.randn(3, 5), folder / "model.pt"
    save: Callable[[torch.jit.ScriptModule, str], None] = torch.jit.save
    with quantized_as_on_phones():
        match form:
            case "traced":
                save(trace(Layered(bias).eval(), (x,)), str(path))
            case "scripted":
                save(torch.jit.script(Layered(bias).eval()), str(path))
            case _:
                layer = RoundedWeight(torch.nn.Linear(5, 7))
                layer.bias = torch.full((7,), bias * 10 * layer.scale)
                module = Between(layer, Steps(0.01, 5), Steps(4e3 * layer.scale * 10, 3))
                path = path.with_suffix(".pt2")
                torch.export.save(torch.export.export(module.eval(), (x,)), path)
    return path


@pytest.mark.parametrize("form", ["traced", "scripted", "exported"])
@pytest.mark.parametrize(("bias", "fits"), [(1.05e6, True), (1.1e6, False), (1e9, False)])
def test_check_and_conversion_give_one_answer_to_a_great_bias(
    form: str, bias: float, fits: bool, tmp_path: Path
) -> None:
    path = saved(form, bias, tmp_path)
    given = ["f32[3,5]"] if form == "scripted" else None

    promised = check(path, given, feature_level=3)
    kept = convert(path, tmp_path / "made.pt", given, feature_level=3)

    assert (promised.readiness, promised.score) == (kept.readiness, kept.score)
    assert (promised.readiness == "ready") == fits
    assert kept.verification is None or kept.verification.is_within_tolerance


def test_small_steps_hold_a_bias_that_is_known_to_be_small(registry: Registry) -> None:
    assert refused(layer(1e-6, "qint8(1e-5,0)[7,5]!", 0.1, "f32[7]! = 0.01, -0.005"), registry) == []


def test_a_channel_without_weights_does_not_stand_for_the_others(registry: Registry) -> None:
    # The scale that observers give such channels.
    assert refused(layer(1e-3, "qint8(1.1920929e-07,0)[7,5]!", 0.1), registry) == []


def test_results_beyond_the_reach_of_integers_are_refused(registry: Registry) -> None:
    assert refused(layer(900.0, "qint8(900,0)[7,5]!", 1e-3), registry) == ["output-in-reach"]
    assert refused(layer(0.05, "qint8(0.02,0)[7,5]!", 1e-3), registry) == []


@pytest.mark.parametrize(
    ("op", "tensors", "args"),
    [
        (
            "quantized.mul.default",
            [("qa", "quint8(900,3)[2,3]"), ("qb", "quint8(900,3)[2,3]")],
            {"scale": 1e-4, "zero_point": 3},
        ),
        ("quantized.softmax.default", [("qx", "quint8(0.05,3)[2,3]")], {"dim": 1, "output_scale": 1e-10}),
    ],
)
def test_results_of_other_ops_are_held_to_it_as_well(
    op: str, tensors: list[tuple[str, str]], args: dict[str, float], registry: Registry
) -> None:
    given = {"output_zero_point": 3, **args} if "output_scale" in args else args

    assert "output-in-reach" in refused(graph_of(op, tensors, **given), registry)


@pytest.mark.filterwarnings("ignore:All inputs of this cat operator:UserWarning")
def test_tensors_that_are_joined_in_steps_too_small_for_them_are_refused(registry: Registry) -> None:
    example = Example("joined", (("tensors", ("quint8(1e-5,3)[2,3]", "quint8(900,3)[2,3]")),), (("dim", 1),))
    with quantized_as_on_phones():
        made = example_module(cards()["aten.cat.default"], example)
        graph = capture(made.module, list(made.inputs), weights=False).graph

    assert refused(graph, registry) == ["output-in-reach"]
