"""Layers that round their input to its own range become PyTorch's own op of that, and no others."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from benchmarks.exported_quantization import RoundedWeight, ops
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.lowering.verification.reference import graph_values

LAYER, CHANNELS = (RoundedWeight(nn.Linear(5, 7), per_channel=given) for given in (False, True))
DYNAMIC = "quantized.linear_dynamic.default"
Layer = Callable[[torch.Tensor], torch.Tensor]


def rounded(
    x: torch.Tensor, low: int = -128, high: int = 127, dtype: torch.dtype = torch.int8, choose: str = "choose_qparams"
) -> torch.Tensor:
    """A tensor rounded to steps of its own range."""
    scale, zero_point = getattr(ops, choose).tensor(x, low, high, 2.0**-12, dtype)
    steps = ops.quantize_per_tensor.tensor(x, scale, zero_point, low, high, dtype)
    found: torch.Tensor = ops.dequantize_per_tensor.tensor(steps, scale, zero_point, low, high, dtype)
    return found


class Before(nn.Module):
    """A function before what rounds its input to its own range, and layers."""

    def __init__(self, *layers: nn.Module, how: Layer = rounded) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of what the layers make of the rounded input."""
        held = self.how(x)
        found: torch.Tensor = sum(layer(held) for layer in self.layers)
        return found


LAYERS: dict[str, tuple[nn.Module, int]] = {
    "one scale": (Before(LAYER), 1),
    "a scale for each channel": (Before(CHANNELS), 1),
    "unsigned": (Before(LAYER, how=partial(rounded, low=0, high=255, dtype=torch.uint8)), 1),
    "one input of two layers": (Before(LAYER, CHANNELS), 2),
    "7 bits": (Before(LAYER, how=partial(rounded, low=-64, high=63)), 0),
    "around zero": (Before(LAYER, how=partial(rounded, choose="choose_qparams_symmetric")), 0),
    "weight of floats": (Before(nn.Linear(5, 7)), 0),
    "read otherwise": (Before(nn.ReLU()), 0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_of_an_input_that_is_rounded_to_its_own_range_is_one_op(name: str) -> None:
    module, count = LAYERS[name]
    x = torch.randn(3, 5)
    captured = capture(module.eval(), [x], weights=True)

    assert [node.op for node in captured.graph.nodes()].count(DYNAMIC) == count
    (result,) = captured.graph.body.outputs
    assert torch.equal(graph_values(captured, [result], [x])[result], module(x))


def test_dynamic_layer_is_converted_within_its_bound(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(5, 5), Before(LAYER), nn.ReLU()).eval()

    report = nnapi_check.convert(module, tmp_path / "made.pt", [torch.randn(3, 5)], feature_level=3)

    assert report.work.floats
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    (cause,) = report.in_floats
    assert "a scale that it finds at run time" in cause.because


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4])
def test_layer_whose_input_is_small_is_as_far_off_as_its_bound_says(size: float, tmp_path: Path) -> None:
    # Its steps have a least size, 2 to the power of -12, which is more than 1/255 of such an input's range.
    x = size * torch.rand(40, 5, generator=torch.Generator().manual_seed(1))

    report = nnapi_check.convert(Before(LAYER).eval(), tmp_path / "made.pt", [x], feature_level=3)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
