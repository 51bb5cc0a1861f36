"""A tuple of results right behind a loop holds what the loop reads, also where the tuple is made in a branch."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert
from nnapi_check.analyzer.torchscript import computed_op_by_op
from nnapi_check.lowering.packaging.artifact import open_artifact


class ReadInLoop(nn.Module):
    """The first result is read, and written, by the loop that makes the second."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 48)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = torch.relu(self.layer(x))
        for _ in range(int(y.sum())):
            made.add_(0.25)
            y = torch.tanh(y)
        return made, y


@pytest.mark.parametrize("is_lite", [False, True])
def test_what_a_loop_reads_is_a_result_as_well(is_lite: bool, tmp_path: Path) -> None:
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    model = ReadInLoop().eval().requires_grad_(False)
    inputs = [torch.rand(40, 64), torch.ones(3)]
    wanted = model(*inputs)

    report = convert(script(model), tmp_path / "out.pt", inputs, feature_level=3, lite=is_lite)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    unoptimized: Callable[[bool], AbstractContextManager[None]] = torch.jit.__dict__["optimized_execution"]
    with unoptimized(False), computed_op_by_op():
        on_cpu = open_artifact(tmp_path / "out.pt")
        on_cpu.use_cpu()
        torch.testing.assert_close(on_cpu.run(*inputs), wanted)
