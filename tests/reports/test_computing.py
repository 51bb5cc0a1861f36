"""What multiply-adds are computed in, and why integers become floats."""

import copy
from functools import cache

import pytest
import torch
from torch import nn

from nnapi_check import check
from nnapi_check.reports.computing import shares
from nnapi_check.reports.views import ModelReport, WorkView

PIXELS = 15 * 18
FIRST = 8 * PIXELS * 3 * 3 * 2
SECOND = 6 * PIXELS * 8


@pytest.fixture(autouse=True)
def _on_phones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.quantized, "engine", "qnnpack")


class Layers(nn.Module):
    """A quantized convolution with a scale for each channel, one with one scale, and perhaps one that is left alone."""

    def __init__(self, *, keeps_floats: bool = False, is_cut: bool = False) -> None:
        super().__init__()
        self.first = nn.Sequential(quantized(nn.Conv2d(3, 8, (3, 2)), is_per_channel=True))
        self.second = nn.Sequential(quantized(nn.Conv2d(8, 6, 1), is_per_channel=False))
        self.plain = nn.Conv2d(6, 6, 1) if keeps_floats else nn.Identity()
        self.is_cut = is_cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(torch.quantize_per_tensor(x, 0.02, 120, torch.quint8))
        if self.is_cut:
            x = torch.quantize_per_tensor(torch.lgamma(x.dequantize()), 0.02, 120, torch.quint8)
        found: torch.Tensor = self.plain(self.second(x).dequantize())
        return found


def quantized(layer: nn.Conv2d, *, is_per_channel: bool) -> nn.Module:
    """A layer with quantized weights."""
    name = "default_per_channel_weight_observer" if is_per_channel else "default_weight_observer"
    observer = getattr(torch.ao.quantization, name)()
    observer(layer.weight)
    scales, zeros = observer.calculate_qparams()
    made = torch.ao.nn.quantized.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size)  # type: ignore[no-untyped-call]  # it has no types
    if is_per_channel:
        weight = torch.quantize_per_channel(layer.weight.detach(), scales, zeros, 0, torch.qint8)
    else:
        weight = torch.quantize_per_tensor(layer.weight.detach(), float(scales), int(zeros), torch.qint8)
    made.set_weight_bias(weight, layer.bias)
    made.scale, made.zero_point = 0.05, 117
    return made


@cache
def report(
    target: str = "pytorch-mobile", *, choice: str = "float", keeps_floats: bool = False, is_cut: bool = False
) -> ModelReport:
    """The report on the layers."""
    torch.manual_seed(3)
    model = Layers(keeps_floats=keeps_floats, is_cut=is_cut).eval()
    return check(model, [torch.rand(1, 3, 17, 19)], feature_level=4, target=target, per_channel=choice)


def test_quantized_layer_that_is_multiplied_as_floats_counts_as_floats() -> None:
    assert report().work == WorkView(SECOND, FIRST, 0)
    assert report().multiply_adds == FIRST + SECOND
    assert [part.work for part in report().parts] == [report().work]
    assert report().is_quantized


def test_target_that_carries_scales_per_channel_multiplies_integers() -> None:
    assert report("ndk").work == WorkView(FIRST + SECOND, 0, 0)
    assert report("ndk").in_floats == ()


def test_layer_that_is_split_into_groups_of_like_scales_multiplies_integers() -> None:
    assert report(choice="split").work == WorkView(FIRST + SECOND, 0, 0)
    assert report(choice="split").score > report(choice="float").score > report(choice="cpu").score


def test_layers_left_to_the_cpu_count_there_alone() -> None:
    found = report(is_cut=True)

    inside = [node for node in found.nodes if node.part is not None]
    assert found.work.integers == sum(node.multiply_adds for node in inside if node.arithmetic == "integers")
    assert found.work.integers + found.work.floats + found.work.cpu == found.multiply_adds
    assert all(level.work.cpu == found.multiply_adds for level in found.levels if level.level < 3)


def test_layer_that_the_model_itself_has_in_floats_loses_nothing() -> None:
    found = report(keeps_floats=True)

    assert found.work == WorkView(SECOND, FIRST + 6 * PIXELS * 6, 0)
    assert [place.op for cause in found.in_floats for place in cause.places] == ["quantized.conv2d.new"]
    assert [loss.what for loss in found.losses if loss.kind == "integers as floats"] == ["quantized.conv2d.new"]


def test_integers_as_floats_are_told_with_place_cause_and_fixes() -> None:
    (cause,) = report().in_floats

    assert (cause.reason, cause.multiply_adds) == ("NNC801", FIRST)
    assert cause.fix.startswith("Pass --target ndk")
    assert [fix.split(", or")[0] for fix in cause.alternatives] == ["Pass --per-channel split, requantize or equalize"]
    assert [place.module for place in cause.places] == ["first.0"]
    (loss,) = [loss for loss in report().losses if loss.kind == "integers as floats"]
    assert loss.fix == cause.fix
    assert sum(loss.points for loss in report().losses) == pytest.approx(100 - report().score)


def test_model_of_floats_is_not_quantized() -> None:
    found = check(nn.Conv2d(3, 8, 1).eval(), [torch.rand(1, 3, 17, 19)], feature_level=4)

    assert not found.is_quantized
    assert found.work.integers == 0


def test_shares_of_the_whole_are_bounds_where_some_work_is_not_counted() -> None:
    assert shares(WorkView(60, 30, 10), uncounted=0) == ("60.0%", "30.0%", "10.0%")
    assert shares(WorkView(60, 30, 10), uncounted=2) == ("at most 60.0%", "at most 30.0%", "at least 10.0%")


def test_estimate_of_a_model_of_floats_is_the_check_of_the_quantized_one() -> None:
    torch.manual_seed(3)
    plain = nn.Sequential(
        nn.Conv2d(3, 8, (3, 2)), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d((3, 2)), nn.Conv2d(8, 6, 1)
    )
    image = torch.rand(1, 3, 17, 19)
    integers = copy.deepcopy(plain).eval()
    torch.ao.quantization.fuse_modules(integers, [["0", "1", "2"]], inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    wrapped = torch.ao.quantization.QuantWrapper(integers)
    wrapped.qconfig = torch.ao.quantization.get_default_qconfig("qnnpack")  # type: ignore[no-untyped-call]  # as above
    torch.ao.quantization.prepare(wrapped, inplace=True)  # type: ignore[no-untyped-call]  # as above
    wrapped(image)
    torch.ao.quantization.convert(wrapped, inplace=True)  # type: ignore[no-untyped-call]  # as above

    found = check(wrapped.eval(), [image], feature_level=4)
    estimate = check(plain.eval(), [image], feature_level=4, if_quantized=True).if_quantized

    assert estimate is not None
    assert estimate.readiness == found.readiness == "ready"
    assert estimate.score == pytest.approx(found.score)
    assert estimate.work == found.work == WorkView(found.multiply_adds, 0, 0)
    assert estimate.weights_bytes == sum(part.weights_bytes for part in found.parts)
    assert estimate.weights_bytes_now > 3 * estimate.weights_bytes


def test_model_that_is_quantized_already_gets_a_note_for_an_estimate() -> None:
    found = check(Layers().eval(), [torch.rand(1, 3, 17, 19)], feature_level=4, if_quantized=True)

    assert found.if_quantized is None
    assert "quantized already" in found.notes[-1]


class Decomposed(nn.Module):
    """A convolution of floats that integers stand behind: those of its weight, and perhaps of its input."""

    def __init__(self, *, rounds_input: bool) -> None:
        super().__init__()
        self.rounds_input = rounds_input
        self.filters: torch.Tensor
        self.register_buffer("filters", torch.quantize_per_tensor(torch.rand(8, 3, 3, 2), 0.01, 0, torch.qint8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.rounds_input:
            x = torch.quantize_per_tensor(x, 0.02, 120, torch.quint8).dequantize()
        filters: torch.Tensor = torch.dequantize(self.filters)
        return nn.functional.hardswish(torch.conv2d(x, filters))


def test_layer_between_a_dequantize_and_no_quantize_is_integer_work_in_floats() -> None:
    found = check(Decomposed(rounds_input=True), [torch.rand(1, 3, 17, 19)], feature_level=4)

    (cause,) = found.in_floats
    assert (cause.reason, cause.multiply_adds) == ("NNC503", FIRST)
    assert [loss.kind for loss in found.losses].count("integers as floats") == 1


def test_layer_whose_weights_alone_are_quantized_is_work_in_floats() -> None:
    found = check(Decomposed(rounds_input=False), [torch.rand(1, 3, 17, 19)], feature_level=4)

    assert found.in_floats == ()
    assert found.work == WorkView(0, FIRST, 0)
