"""Models are compared without PyTorch's fuser, which fails on writes in place inside a branch."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.torchscript import computed_op_by_op
from nnapi_check.lowering.verification.reference import reference_outputs
from nnapi_check.lowering.verification.verify import verify_artifact


class WritesInLoop(nn.Module):
    """A view is written in a loop that carries another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 48)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        made = torch.relu(self.layer(x))
        flat = y.reshape(-1)
        for _ in range(int(y.abs().sum().clamp(0.0, 3.0))):
            flat.mul_(0.5)
            y = torch.tanh(y + 0.5)
        return made, flat, y


@pytest.fixture
def with_fuser() -> Iterator[None]:
    before = torch._C._jit_texpr_fuser_enabled()
    torch._C._jit_set_texpr_fuser_enabled(True)
    yield
    torch._C._jit_set_texpr_fuser_enabled(before)


def is_fused() -> bool:
    return torch._C._jit_texpr_fuser_enabled()


def test_fuser_is_put_back_after_errors(with_fuser: None) -> None:
    seen = []

    @computed_op_by_op()
    def fail() -> None:
        seen.append(is_fused())
        raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert seen == [False]
    assert is_fused()


def test_fuser_that_was_off_stays_off(with_fuser: None) -> None:
    with computed_op_by_op():
        with computed_op_by_op():
            pass
        assert not is_fused()


def test_verification_that_fails_puts_the_fuser_back(with_fuser: None, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        verify_artifact(tmp_path / "nowhere.pt", nn.Identity(), [torch.rand(3)], level=3, facts={})

    assert is_fused()


def test_model_that_writes_in_a_loop_is_the_same_in_a_package(with_fuser: None, tmp_path: Path) -> None:
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    path = tmp_path / "model.pt"
    script(WritesInLoop().eval().requires_grad_(False)).save(str(path))
    inputs = [torch.rand(40, 64), torch.rand(4, 6)]

    for _ in range(3):
        report = convert(path, tmp_path / "out.pt", inputs, feature_level=3)
        assert report.verification is not None
        assert report.verification.is_within_tolerance

    assert is_fused()
    assert len(reference_outputs(path, inputs)) == 3
