"""What is written in place, to views, inputs and the model's own state, is written in a package as in the module."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.artifact import open_artifact

Write = Callable[[torch.Tensor, torch.Tensor], object]
SIZE = 160


class Between(nn.Module):
    """Writes into what one layer made before another one reads it."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self.first, self.second, self.write = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE), write

    def forward(self, x: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made: torch.Tensor = self.first(x)
        before = torch.relu(made)
        self.write(made, r)
        return self.second(made), before


def _add(made: torch.Tensor, r: torch.Tensor) -> None:
    made[:, 1:] += r[:, 1:]


def _view_read_later(made: torch.Tensor, r: torch.Tensor) -> None:
    view = made.view(-1)
    made.mul_(0.5)
    view[3:7].add_(1.0)
    made[0].copy_(view[:SIZE] * r[0])


WRITES: dict[str, Write] = {
    "add to a slice": _add,
    "set a slice": lambda made, r: made[:, 1:].copy_(r[:, 1:]),
    "zero a column": lambda made, r: made[:, 0].zero_(),
    "every other row": lambda made, r: made[::2].masked_fill_(r[::2] > 0.5, 0.25),
    "a view that is read later": _view_read_later,
    "pieces": lambda made, r: made.chunk(2, 1)[1].mul_(r[:, : SIZE // 2]),
    "transposed": lambda made, r: made.t()[2].fill_(0.5),
    "by index": lambda made, r: made.index_put_((torch.tensor([0, 2]),), r[:2]),
}


class AsFarAsValuesSay(nn.Module):
    """Writes to a view whose size is known only at run time, and in a branch, before and after layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)

    def forward(self, x: torch.Tensor, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.first(x)
        kept = [y, r]
        y[: int(r.abs().max()) + 1].zero_()
        z = self.second(y)
        if bool(x.sum() > 0):
            kept[0].add_(1.0)
            z[0] = 0.5
        for index in range(int(r.abs().max())):
            z[index].mul_(2.0)
        return self.first(z), y


class Counting(nn.Module):
    """Keeps a sum from one run to the next."""

    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(SIZE, SIZE)
        self.register_buffer("total", torch.zeros(SIZE))

    def forward(self, x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        before: torch.Tensor = self.linear(x) + self.total
        self.total += 1.0
        self.total[3:] += r[0, 3:]
        after: torch.Tensor = before * self.total
        return after


class Overwriting(nn.Module):
    """Writes into its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(SIZE, SIZE)

    def forward(self, x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        r[:, 0] = 0.5
        x.relu_()
        z: torch.Tensor = self.linear(y * x) + r
        return z


def held(module: nn.Module, path: Path, nnapi: HostRuntime, capture: Callable[..., torch.jit.ScriptModule]) -> None:
    """Run a module and its package several times, in NNAPI and on the CPU; outputs and inputs are the same."""
    generator = torch.Generator().manual_seed(0)
    runs = [[torch.randn(150, SIZE, generator=generator) for _ in range(2)] for _ in range(3)]
    # PyTorch forbids some of these writes while it records gradients.
    source = capture(copy.deepcopy(module).requires_grad_(False), [tensor.clone() for tensor in runs[0]])
    report = nnapi_check.convert(copy.deepcopy(source), path, runs[0], feature_level=4, verify=False)
    assert report.artifact is not None
    for is_on_cpu in (False, True):
        wanted, artifact = copy.deepcopy(source), open_artifact(path)
        if is_on_cpu:
            artifact.use_cpu()
        before = nnapi.executions
        for inputs in runs:
            theirs, ours = ([tensor.clone() for tensor in inputs] for _ in range(2))
            right, found = flat_tensors(wanted(*theirs)), flat_tensors(artifact.run(*ours))
            torch.testing.assert_close((found, ours), (right, theirs), rtol=1e-4, atol=1e-4)
        assert (nnapi.executions > before) is not is_on_cpu


def traced(module: nn.Module, inputs: list[torch.Tensor]) -> torch.jit.ScriptModule:
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
    return trace(module.eval(), tuple(inputs), check_trace=False)


def scripted(module: nn.Module, _inputs: list[torch.Tensor]) -> torch.jit.ScriptModule:
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    return script(module.eval())


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_value_of_a_part_is_overwritten(write: Write, nnapi: HostRuntime, tmp_path: Path) -> None:
    held(Between(write), tmp_path / "model.pt", nnapi, traced)


def test_value_of_a_part_is_overwritten_as_far_as_values_say(nnapi: HostRuntime, tmp_path: Path) -> None:
    held(AsFarAsValuesSay(), tmp_path / "model.pt", nnapi, scripted)


@pytest.mark.parametrize("capture", [traced, scripted])
@pytest.mark.parametrize("module", [Counting(), Overwriting()], ids=["state", "inputs"])
def test_state_and_inputs_are_overwritten(
    module: nn.Module, capture: Callable[..., torch.jit.ScriptModule], nnapi: HostRuntime, tmp_path: Path
) -> None:
    held(module, tmp_path / "model.pt", nnapi, capture)
