"""TorchScript files that were written for another machine."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import nnapi_check


class OfAGpu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(3, device="cuda:0").to(torch.float32)
        return x.relu().to("cuda") + steps


def test_model_that_names_a_gpu_is_checked_converted_and_verified(tmp_path: Path) -> None:
    script: Callable[[nn.Module], torch.jit.ScriptModule] = torch.jit.script
    save: Callable[..., None] = torch.jit.save
    path, made = tmp_path / "gpu.pt", tmp_path / "made.pt"
    save(script(OfAGpu().eval()), path)
    x = torch.tensor([[-1.0, 2.0, 3.0]])

    report = nnapi_check.convert(path, made, [x], feature_level=4)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    load: Callable[[Path], torch.jit.ScriptModule] = torch.jit.load
    converted = load(made)
    converted.use_cpu()
    assert converted(x).tolist() == [[0.0, 3.0, 5.0]]
