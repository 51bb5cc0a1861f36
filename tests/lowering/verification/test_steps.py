"""Quantized models are held to what steps inside do to PyTorch's output, and each value inside to its op's bound."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import nnapi_check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import Status
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.verification.approximation import Approximation
from nnapi_check.lowering.verification.sensitivity import movement


@pytest.fixture(autouse=True)
def phone_engine() -> Iterator[None]:
    with quantized_as_on_phones():
        yield


class Classifier(torch.nn.Module):
    """Averages of four pixels, a quarter of which lie halfway between two steps, and a layer that adds them up."""

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.quantize_per_tensor(torch.randn(40, 64, generator=generator), 0.02, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(weight, torch.full((40,), bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pixels = torch.quantize_per_tensor(x, 0.05, 128, torch.quint8)
        averages = torch.nn.functional.adaptive_avg_pool2d(pixels, 1).flatten(1)
        sums: torch.Tensor = torch.ops.quantized.linear(averages, self.packed, 0.05, 120)
        return sums.dequantize()


def pixels() -> torch.Tensor:
    return 2 * torch.randn(1, 64, 2, 2, generator=torch.Generator().manual_seed(1))


def test_steps_that_grow_inside_are_no_fault(tmp_path: Path) -> None:
    report = nnapi_check.convert(Classifier(), tmp_path / "converted.pt", [pixels()], feature_level=3)

    assert report.verification is not None
    (found,) = report.verification.outputs
    assert found.steps_share is not None
    assert found.steps_share > 0.01
    assert report.verification.is_within_tolerance
    assert report.score < 100
    # The greatest of 40 sums of one image, in PyTorch's own as well when its averages are off by a step.
    (note,) = [note for note in report.verification.notes if "puts the class first" in note]
    assert " of 1 rows; PyTorch itself" in note
    assert " of 8. The score" in note


def test_what_steps_do_not_explain_is_a_fault(tmp_path: Path) -> None:
    nnapi_check.convert(Classifier(), tmp_path / "converted.pt", [pixels()], feature_level=3)

    found = nnapi_check.verify(tmp_path / "converted.pt", Classifier(bias=1.0), [pixels()])

    assert not found.is_within_tolerance


def test_a_layer_that_is_a_few_steps_off_by_itself_is_a_fault(tmp_path: Path) -> None:
    # The output alone would hide it: all of its elements are at the end of their range.
    nnapi_check.convert(Classifier(bias=200.0), tmp_path / "converted.pt", [pixels()], feature_level=3)

    found = nnapi_check.verify(tmp_path / "converted.pt", Classifier(bias=200.0), [pixels()], layers=True)

    inside = [layer for layer in found.layers if layer.op == "aten.adaptive_avg_pool2d.default"]
    assert [layer.numbers.steps for layer in inside] == [1]
    assert found.outputs[0].max_absolute == 0.0


class Averager(Classifier):
    """The same, with averages that an operation computes together with what follows."""

    def __init__(self, *, is_clamped: bool) -> None:
        super().__init__()
        self.is_clamped = is_clamped

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = torch.quantize_per_tensor(x, 0.05, 128, torch.quint8)
        clamped = torch.nn.functional.adaptive_avg_pool2d(given, 1).relu()
        averages = clamped if self.is_clamped else given.mean([2, 3])
        sums: torch.Tensor = torch.ops.quantized.linear(averages.flatten(1), self.packed, 0.005, 120)
        return sums.dequantize()


@pytest.mark.parametrize("is_clamped", [False, True])
def test_a_layer_is_not_held_to_be_exact_on_what_is_given_to_it_otherwise(tmp_path: Path, is_clamped: bool) -> None:
    model = Averager(is_clamped=is_clamped)

    report = nnapi_check.convert(model, tmp_path / "converted.pt", [pixels()], feature_level=3, layers=True)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    layers = {layer.op: layer.numbers for layer in report.verification.layers}
    assert layers["quantized.linear.default"].steps == 0
    averages = layers["aten.relu.default" if is_clamped else "aten.mean.dim"]
    assert averages.steps == 1
    assert averages.steps_share is not None
    assert averages.steps_share > 0.01


@pytest.mark.parametrize(
    ("is_quantized", "status"), [(False, Status.LOWERED), (True, Status.APPROXIMATE)], ids=["floats", "quantized"]
)
def test_averages_of_quantized_pixels_alone_are_approximate(is_quantized: bool, status: Status) -> None:
    x = torch.quantize_per_tensor(pixels(), 0.05, 128, torch.quint8) if is_quantized else pixels()
    traced = torch.jit.trace(torch.nn.AdaptiveAvgPool2d(1), x)  # type: ignore[no-untyped-call]  # no types
    registry = open_registry()

    verdicts = judge(capture(traced, [x], weights=False).graph, registry, registry.target("pytorch-mobile")).at(3)

    assert [verdict.status for verdict in verdicts.values()] == [status]


def test_noise_is_that_of_steps_on_the_stated_share() -> None:
    x = torch.randn(1000, generator=torch.Generator().manual_seed(2))

    class Quantized(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.quantize_per_tensor(x, 0.05, 128, torch.quint8).dequantize()

    captured = capture(torch.jit.trace(Quantized(), x), [x], weights=True)  # type: ignore[no-untyped-call]  # no types
    (node, _) = captured.graph.nodes()
    item = Approximation(node.op, node.outputs, next(iter(node.inputs())), Bound(steps=2, share=0.25))

    moved = movement(captured, [item], captured.example_inputs)

    (wanted,) = (Quantized()(x),)
    for (draw,) in moved.draws:
        off = ((draw - wanted) / 0.05).round()
        assert off.abs().unique().tolist() == [0.0, 2.0]
        assert int((off != 0).sum()) == 250
    assert moved.is_stepped
