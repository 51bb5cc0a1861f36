"""Branches and loops that only a run decides, as IF and WHILE: they give what PyTorch gives, whichever way they go."""

from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.lowering.ndk.project import MODEL_NAME
from nnapi_check.lowering.ndk.reading import read_program
from tests.lowering.ndk.programs import NAMES


class Sign(nn.Module):
    """Decides by a sum. One branch convolves images, both read a value that is made before them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, (3, 2), padding=(1, 0)), nn.Conv2d(3, 4, (1, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shifted = x + 0.25
        y: torch.Tensor = self.first(shifted).relu() if shifted.sum() > 0 else self.second(shifted) * 2
        return y - 1


class Flag(nn.Module):
    """A truth value that the caller gives; one branch hands over what it was given."""

    def forward(self, x: torch.Tensor, flag: torch.Tensor) -> torch.Tensor:
        y = torch.tanh(x) if bool(flag) else x
        return y * 3


class Halves(nn.Module):
    """Turns while a value is large, at most seven times; may take none."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        i = 0
        while bool(x.abs().sum() > 4.0) and i < 7:
            x = x * 0.5
            i += 1
        return x


class Turns(nn.Module):
    """As many turns as the caller says, each of which reads their number and a state besides."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(7, 7)

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        total = torch.zeros_like(x)
        for i in range(int(n)):
            x = self.layer(x).tanh() + i
            total = total + x
        return x, total


class Cells(nn.Module):
    """A recurrent cell, whose two states each turn hands on, of which one is read."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(5, 7)

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        h, c = torch.zeros(2, 7), torch.ones(2, 7)
        for _ in range(int(n)):
            h, c = self.cell(x, (h, c))
        return h


class Nested(nn.Module):
    """A branch within a loop, and one within the branch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(7, 7)

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        i = 0
        while i < int(n):
            x = self.layer(x) - 0.3 if bool(x.sum() > 0) else x.relu() + 0.1 if bool(x.max() > 0.5) else x * x + i
            i += 1
        return x


class Fills(nn.Module):
    """A branch that computes nothing, and an output that nothing reads."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            y, _ = torch.ones_like(x), x * 2
        else:
            y, _ = x * x, x
        return y + x


class Writes(nn.Module):
    """Overwrites what it made, at places of the run and whole, within a branch and beside it."""

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kept, total = torch.zeros(4, 7), x * 0.5
        for t in range(int(n)):
            total += x
            if bool(total.sum() > 0):
                kept[t % 4] = total[0]
            else:
                kept[:, t % 7].mul_(0.5)
                total.clamp_(-2.0, 2.0)
            kept[1] += 0.25
        return kept, total


def numbers(*shape: int, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + shift


COUNTS = (0, 1, 2, 9)
CASES: dict[str, tuple[type[nn.Module], list[list[torch.Tensor]], set[str]]] = {
    "a sum decides": (Sign, [[numbers(1, 3, 5, 6, shift=shift)] for shift in (1.0, -1.0)], {"IF"}),
    "a flag decides": (Flag, [[numbers(2, 7), torch.tensor(flag)] for flag in (True, False)], {"IF"}),
    "a flag of rank 1": (Flag, [[numbers(2, 7), torch.tensor([flag])] for flag in (False, True)], {"IF"}),
    "until it is small": (Halves, [[numbers(3, 7) * size] for size in (1.0, 0.01, 1e4)], {"IF", "WHILE"}),
    "turns": (Turns, [[numbers(3, 7), torch.tensor(n)] for n in COUNTS], {"WHILE"}),
    "cells": (Cells, [[numbers(2, 5), torch.tensor(n)] for n in COUNTS], {"WHILE"}),
    "nested": (
        Nested,
        [[numbers(3, 7, seed=n, shift=shift), torch.tensor(n)] for n in COUNTS for shift in (0.5, -0.5)],
        {"IF", "WHILE"},
    ),
    "writes": (
        Writes,
        [[numbers(3, 7, seed=n, shift=shift), torch.tensor(n)] for n in COUNTS for shift in (0.5, -0.5)],
        {"IF", "WHILE"},
    ),
    "an empty branch": (Fills, [[numbers(3, 7, shift=shift)] for shift in (1.0, -1.0)], {"IF"}),
}


def scripted(made: type[nn.Module]) -> torch.jit.ScriptModule:
    torch.manual_seed(5)
    return torch.jit.script(made().eval())


@pytest.mark.parametrize("level", [4, 8])
@pytest.mark.parametrize("name", CASES)
def test_whichever_way_it_goes_it_gives_what_pytorch_gives(name: str, level: int, tmp_path: Path) -> None:
    made, draws, kinds = CASES[name]
    model = scripted(made)

    report = nnapi_check.convert(model, tmp_path / "out", draws[0], feature_level=level, target="ndk")

    assert (report.readiness, report.score) == ("ready", 100)
    written = read_program(tmp_path / "out" / MODEL_NAME, NAMES).program.model
    used = {operation.kind for found in (written, *written.referenced) for operation in found.operations}
    assert used & {"IF", "WHILE"} == kinds
    for inputs in draws:
        found = nnapi_check.verify(tmp_path / "out", model, inputs)
        assert found.ran_in == "the NDK's runtime on the host runtime"
        assert found.is_within_tolerance
        assert all(output.max_relative < 1e-5 for output in found.outputs)


@pytest.mark.parametrize("name", CASES)
def test_before_they_exist_a_model_with_them_does_not_fit(name: str) -> None:
    made, draws, _ = CASES[name]

    found = nnapi_check.check(scripted(made), draws[0], feature_level=3, target="ndk")

    assert found.readiness != "ready"
    assert found.lowest_ready_level == 4


class Grows(nn.Module):
    """Each turn hands on another shape."""

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        for _ in range(int(n)):
            x = torch.cat([x, x])
        return x


class Sorts(nn.Module):
    """A turn calls an op that NNAPI does not have."""

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        for _ in range(int(n)):
            x = torch.linalg.inv(x)
        return x


class Counts(nn.Module):
    """Hands a number to the caller, which is no tensor."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        i = 0
        while bool(x.sum() > 1.0):
            x = x - 1
            i += 1
        return x, i


@pytest.mark.parametrize("made", [Grows, Sorts, Counts])
def test_what_nnapi_cannot_plan_is_refused_with_its_reason(made: type[nn.Module], tmp_path: Path) -> None:
    inputs = [numbers(3, 3), *([] if made is Counts else [torch.tensor(2)])]

    found = nnapi_check.check(scripted(made), inputs, feature_level=8, target="ndk")

    assert found.readiness != "ready"
    assert found.blockers
    report = nnapi_check.convert(scripted(made), tmp_path / "out", inputs, feature_level=8, target="ndk")
    assert report.artifact is None
    assert not (tmp_path / "out").exists()


def test_pytorch_mobile_keeps_them_around_its_parts() -> None:
    made, draws, _ = CASES["turns"]

    found = nnapi_check.check(scripted(made), draws[1], feature_level=8)

    assert not any({"IF", "WHILE"} & set(node.emits) for node in found.nodes)
    assert any("--target ndk" in blocker.fix for blocker in found.blockers)
