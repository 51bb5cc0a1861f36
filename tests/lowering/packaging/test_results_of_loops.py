"""What stands beside the result of a loop that reads it is there when both are collected, also inside a branch."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert
from nnapi_check.analyzer.torchscript import computed_op_by_op
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.artifact import open_artifact
from tests.lowering.container_programs import module_of
from tests.lowering.packaging.test_in_place_programs import package

optimized: Callable[[bool], AbstractContextManager[None]] = torch.jit.__dict__["optimized_execution"]


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
    with optimized(False), computed_op_by_op():
        on_cpu = open_artifact(tmp_path / "out.pt")
        on_cpu.use_cpu()
        torch.testing.assert_close(on_cpu.run(*inputs), wanted)


_START = "n = int(y.abs().sum()) % 2 + 2\na = torch.matmul(x, self.weight)\nb = x * 2\n"
_LOOP = "for i in range(n):\n    b = torch.relu(b + a)\n"
PROGRAMS = {
    "a sum": f"{_START}{_LOOP}return a + b",
    "another loop": f"{_START}{_LOOP}for i in range(n):\n    a = a + b\n    b = b * a\nreturn a + b",
    "a branch's end": (
        f"{_START}if bool(y.sum() > -100.0):\n    a = a + 1\n    for i in range(n):\n        b = torch.relu(b + a)\n"
        "return torch.tanh(a) + b"
    ),
    "a loop's end": (
        f"{_START}for j in range(n):\n    a = a + 1\n    for i in range(2):\n        b = torch.relu(b + a)\n"
        "return torch.tanh(a) + b"
    ),
    "a number": (
        f"{_START}k = 0\nfor i in range(n):\n    k += int(bool(a.sum() > 0))\n"
        "for i in range(n):\n    a = a * k\n    k += 1\nreturn a * k"
    ),
    "a truth value": (
        f"{_START}is_even = True\nfor i in range(n):\n    is_even = bool(a.sum() > i)\nfor i in range(n):\n"
        "    if is_even:\n        a = a * 2\n    is_even = not is_even\nreturn a + b"
    ),
}


@pytest.mark.parametrize("is_on_cpu", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_loop_reads_is_there_for_what_takes_its_result(
    name: str, is_on_cpu: bool, nnapi: HostRuntime, tmp_path: Path
) -> None:
    model = module_of(PROGRAMS[name], f"behind_{list(PROGRAMS).index(name)}", tmp_path)
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    draws = [(torch.randn(4, 6), torch.full((4, 6), size)) for size in (0.05, 0.1, 0.05)]
    package(script(model), 8, tmp_path / "out.pt", draws[0])

    artifact = open_artifact(tmp_path / "out.pt")
    if is_on_cpu:
        artifact.use_cpu()
    with optimized(False), computed_op_by_op(), torch.no_grad():
        for draw in draws:
            torch.testing.assert_close(artifact.run(*draw), model(*draw), rtol=1e-4, atol=1e-4)
