"""TorchScript files that were written for another machine."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.errors import InputError
from tests.analyzer.files.screening.hostile_files import script, with_code


class OfAGpu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(3, device="cuda:0").to(torch.float32)
        return x.relu().to("cuda") + steps


def test_model_that_names_a_gpu_is_checked_converted_and_verified(tmp_path: Path) -> None:
    compiled: Callable[[nn.Module], torch.jit.ScriptModule] = torch.jit.script
    save: Callable[..., None] = torch.jit.save
    path, made = tmp_path / "gpu.pt", tmp_path / "made.pt"
    save(compiled(OfAGpu().eval()), path)
    x = torch.tensor([[-1.0, 2.0, 3.0]])

    report = nnapi_check.convert(path, made, [x], feature_level=4)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    load: Callable[[Path], torch.jit.ScriptModule] = torch.jit.load
    converted = load(made)
    converted.use_cpu()
    assert converted(x).tolist() == [[0.0, 3.0, 5.0]]


@pytest.mark.parametrize("kind", ["Tensor", "str", "List[int]", "Optional[Tensor]"])
def test_a_mode_of_another_type_is_a_file_that_cannot_be_loaded(kind: str, tmp_path: Path) -> None:
    damaged = with_code(script(tmp_path), lambda code: code.replace("training : bool", f"training : {kind}"))

    with pytest.raises(InputError, match="cannot be loaded by PyTorch"):
        nnapi_check.check(damaged, ["f32[2,3]"], api_level=30)
