"""Models that PyTorch 2 Export itself quantizes, where one of its homes is installed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.exported_flow import Flow, installed_flow, quantized_program
from nnapi_check import convert


class Network(nn.Module):
    """Convolutions, an activation, a sum, pools and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.last = nn.Linear(16, 60)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = torch.relu(x + nn.functional.hardswish(self.depthwise(x)))
        x = nn.functional.adaptive_avg_pool2d(nn.functional.max_pool2d(x, 2), 1)
        found: torch.Tensor = self.last(x.flatten(1))
        return found


@pytest.fixture(scope="module")
def flow() -> Flow:
    found = installed_flow()
    if found is None:
        pytest.skip("neither torchao nor a PyTorch that quantizes exported programs is installed")
    return found


@pytest.mark.parametrize("is_per_channel", [False, True])
def test_model_is_multiplied_in_integers_and_gives_the_same_bits_without_nnapi(
    tmp_path: Path, flow: Flow, is_per_channel: bool
) -> None:
    torch.manual_seed(0)
    images = [torch.randn(1, 3, 14, 18) for _ in range(4)]
    model = Network().train()
    for image in images:
        model(image)
    module = quantized_program(flow, model, images, tmp_path / "model.pt2", is_per_channel=is_per_channel)

    report = convert(tmp_path / "model.pt2", tmp_path / "made.pt", feature_level=3)

    assert report.readiness == "ready"
    assert report.work.integers > 9 * report.work.floats
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    load: Callable[[str], torch.jit.ScriptModule] = torch.jit.load
    package = load(str(tmp_path / "made.pt"))
    package.use_cpu()
    assert all(torch.equal(package(image), module(image)) for image in images)
