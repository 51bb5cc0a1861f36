"""Scripted models with classes, enumerations and named tuples of their own, which Python does not know."""

import enum
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.lowering.nnapi.host_runtime.errors import HostRuntimeError
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
from nnapi_check.lowering.packaging.artifact import open_artifact


class ModeOfOurs(enum.Enum):
    SUM = 1
    DIFFERENCE = 2


class PairOfOurs(NamedTuple):
    first: torch.Tensor
    scale: float


@torch.jit.script
class CoderOfOurs:
    def __init__(self, factor: float, held: torch.Tensor) -> None:
        self.factor = factor
        self.held = held

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + self.held


class Attribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 192)
        self.coder = CoderOfOurs(2.0, torch.ones(192))
        self.mode = ModeOfOurs.SUM

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.coder.decode(self.linear(x))
        if self.mode == ModeOfOurs.SUM:
            y = y + x
        return y


class Made(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 192)

    def forward(self, x: torch.Tensor) -> PairOfOurs:
        y = self.linear(x)
        coders = [CoderOfOurs(0.5, y), CoderOfOurs(2.0, x)]
        by_name = {"last": coders[1]}
        coders[0].factor = 3.0
        return PairOfOurs(coders[0].decode(y) + by_name["last"].decode(y), 1.0)


class Perhaps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 192)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.linear(x)
        coder: CoderOfOurs | None = None
        mode = ModeOfOurs.DIFFERENCE
        if bool(x.sum() > 0):
            coder = CoderOfOurs(2.0, y)
            mode = ModeOfOurs.SUM
        pair = PairOfOurs(y, 0.5)
        if coder is not None and mode == ModeOfOurs.SUM:
            y = coder.decode(pair.first) * pair.scale
        return y


class Looped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 192)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        pairs = [PairOfOurs(x, 0.5)]
        for index in range(int(x.abs().max()) + 2):
            pairs.append(PairOfOurs(pairs[index].first + y, pairs[index].scale + 1.0))
        return pairs[-1].first * pairs[-1].scale


def save_as_of_others(module: nn.Module, path: Path) -> None:
    """Save a scripted module under names of classes that nobody in this process has."""
    script: Callable[[nn.Module], torch.jit.ScriptModule] = torch.jit.script
    own = path.with_suffix(".own")
    torch.jit.save(script(module.eval()), str(own))
    with ZipFile(own) as archive, ZipFile(path, "w") as renamed:
        for name in archive.namelist():
            if not name.endswith(".debug_pkl"):
                renamed.writestr(name, archive.read(name).replace(b"OfOurs", b"OfThem"))


MODULES = pytest.mark.parametrize("module", [Attribute(), Made(), Perhaps(), Looped()], ids=lambda m: type(m).__name__)


@MODULES
@pytest.mark.parametrize("level", [3, 8])
def test_model_with_classes_is_converted_and_agrees(module: nn.Module, level: int, tmp_path: Path) -> None:
    path, output = tmp_path / "model.pt", tmp_path / "converted.pt"
    save_as_of_others(module, path)
    x = torch.randn(150, 192, generator=torch.Generator().manual_seed(0))
    try:
        runtime = load_host_runtime(level)
    except HostRuntimeError as error:
        pytest.skip(f"there is no host runtime: {error}")

    checked = nnapi_check.check(path, [x], feature_level=level)
    converted = nnapi_check.convert(path, output, [x], feature_level=level)

    assert (len(checked.parts) > 0, checked.gate.is_passed) == (True, True)
    assert converted.verification is not None
    assert converted.verification.is_within_tolerance
    artifact = open_artifact(output)
    for given in (x, -x.abs()):
        wanted = flat_tensors(module(given))
        before = runtime.executions
        artifact.use_nnapi()
        torch.testing.assert_close(flat_tensors(artifact.run(given)), wanted, rtol=1e-4, atol=1e-4)
        assert runtime.executions > before
        artifact.use_cpu()
        torch.testing.assert_close(flat_tensors(artifact.run(given)), wanted)
