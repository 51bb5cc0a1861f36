"""Models that may keep something from one run to the next: a package keeps the same, or there is none."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.artifact import open_artifact
from tests.lowering.packaging.test_in_place_programs import package
from tests.lowering.running_packages import load_scripted

RUNS = 3


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)


class WrittenBuffer(_Network):
    """A state in a buffer that is written in place."""

    state: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("state", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        """One step. ``x`` has shape [4, 6]."""
        y: Tensor = self.linear(x)
        self.state.mul_(0.5).add_(y.mean(0))
        return y + self.state


class SetBuffer(WrittenBuffer):
    """A state in a buffer that is set anew."""

    def forward(self, x: Tensor) -> Tensor:
        """One step. ``x`` has shape [4, 6]."""
        y: Tensor = self.linear(x)
        self.state = self.state * 0.5 + y.mean(0)
        return y + self.state


class PlainTensor(_Network):
    """A state in a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.state = torch.zeros(6)

    def forward(self, x: Tensor) -> Tensor:
        """One step. ``x`` has shape [4, 6]."""
        y: Tensor = self.linear(x)
        self.state.add_(y.mean(0))
        return y + self.state


class ListOfTensors(_Network):
    """A state in a list."""

    states: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.states = [torch.zeros(6), torch.ones(6)]

    def forward(self, x: Tensor) -> Tensor:
        """One step. ``x`` has shape [4, 6]."""
        self.states[0].add_(1.0)
        y: Tensor = self.linear(x)
        return y + torch.stack(self.states).sum(0)


class TableOfTensors(_Network):
    """A state in a table."""

    states: dict[str, Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.states = {"sum": torch.zeros(6)}

    def forward(self, x: Tensor) -> Tensor:
        """One step. ``x`` has shape [4, 6]."""
        y: Tensor = self.linear(x)
        self.states["sum"].add_(1.0)
        return y * self.states["sum"]


class Counter(_Network):
    """A state in a number."""

    count: int

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        """One step. ``x`` has shape [4, 6]."""
        self.count += 1
        y: Tensor = self.linear(x)
        return y * self.count


class Accumulator(_Network):
    """No state: what is written to is made in each run."""

    def forward(self, x: Tensor) -> Tensor:
        """One step. ``x`` has shape [4, 6]."""
        y: Tensor = self.linear(x)
        total, parts = torch.tensor(0.0), torch.tensor([1.0, 2.0, 3.0])
        for column in range(3):
            total += y[:, column].mean()
        parts[1:] += y[0, :2]
        return y * total + parts.sum()


STATES = [WrittenBuffer, SetBuffer, PlainTensor, ListOfTensors, TableOfTensors, Counter, Accumulator]


def _live(module: nn.Module, _x: Tensor, _path: Path) -> nn.Module:
    return copy.deepcopy(module)


def _traced(module: nn.Module, x: Tensor, path: Path) -> Path:
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
    try:
        torch.jit.save(trace(copy.deepcopy(module), x, check_trace=False), str(path))
        load_scripted(path)
    except RuntimeError as error:
        pytest.skip(f"PyTorch cannot save it so that it can be read: {str(error).splitlines()[0]}")
    return path


def _scripted(module: nn.Module, _x: Tensor, path: Path) -> Path:
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    torch.jit.save(script(copy.deepcopy(module)), str(path))
    return path


def _reference(source: nn.Module | Path) -> Any:
    return load_scripted(source) if isinstance(source, Path) else copy.deepcopy(source)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("made", [_live, _traced, _scripted])
@pytest.mark.parametrize("state", STATES)
def test_a_package_gives_the_numbers_of_every_run(
    state: type[nn.Module],
    made: Callable[[nn.Module, Tensor, Path], nn.Module | Path],
    nnapi: HostRuntime,
    tmp_path: Path,
) -> None:
    module, inputs = state().eval(), [torch.randn(4, 6) for _ in range(RUNS)]
    source = made(module, inputs[0], tmp_path / "model.pt")
    reference = _reference(source)

    with torch.no_grad():
        try:
            package(source, 8, tmp_path / "out.pt", inputs[:1])
        except InputError as error:
            if state in (WrittenBuffer, Accumulator) and made is not _traced:
                raise AssertionError("a model was refused that keeps no more than a package can") from error
            return
        run = open_artifact(tmp_path / "out.pt").run
        for x in inputs:
            torch.testing.assert_close(run(x), reference(x), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_module_is_left_as_it_was() -> None:
    module, x = WrittenBuffer().eval(), torch.randn(4, 6)

    capture(module, [x], weights=True)

    assert not module.state.any()
