"""What stands inside branches and loops, and what they hand over: a run gives what PyTorch gives."""

from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.lowering.ndk.project import MODEL_NAME
from tests.analyzer.judging.written_programs import program
from tests.lowering.ndk.test_branches_and_loops import numbers, scripted

Inputs = list[torch.Tensor]


def counts(*numbers_of_turns: int) -> list[torch.Tensor]:
    return [torch.tensor(count) for count in numbers_of_turns]


X, Y = numbers(3, 7), numbers(3, 7, seed=1)
LOOPS_IN_LOOPS = """
for i in range(int(n)):
    y = x
    for j in range(int(m)):
        y = y * 0.5 + j - i
    k = 0
    while k < i and bool(y.sum() > -50.0):
        y = y - x
        k += 1
    x = (x + y) * 0.5
return x
"""
CONDITIONS = """
if bool(x.sum() > 0):
    y = x * 2
else:
    y = x * 3
if not bool(x.max() <= 0):
    y = y + 1
i = 0
while bool(x.sum() < 4.0) and i < 3:
    x = x + 1
    i += 1
return y, x
"""
PASSED_ON = """
y = x * 2
if bool(f):
    a, b, c = x, y, y
else:
    a, b, c = y, x, x * 3
return a, b, c, y
"""
UNREAD = """
a, b, c = x, x * 2, x * 3
for i in range(int(n)):
    a, b, c = b + c, a * 0.5, c - a
return b
"""
MADE_ANEW = """
h = torch.zeros(3, 7)
for i in range(int(n)):
    h = torch.ones(3, 7) if bool(x.sum() > 0) else h + x
return h
"""
WRITTEN: dict[str, tuple[str, str, list[Inputs]]] = {
    "loops in loops, of negative counts too": (
        "x n m",
        LOOPS_IN_LOOPS,
        [[X, n, m] for n, m in zip(counts(-2, 3, 3, 2), counts(2, -1, 0, 2), strict=True)],
    ),
    "conditions on NaN and infinities": (
        "x",
        CONDITIONS,
        [[torch.full((3, 7), value)] for value in (float("nan"), float("inf"), float("-inf"), 0.0)],
    ),
    "NaN as a truth value": (
        "x",
        "y = x\nif bool(x[0, 0]):\n    y = x * 2\nreturn y + 1",
        [[torch.full((3, 7), value)] for value in (float("nan"), 0.0, -0.0)],
    ),
    "what is passed on": ("x f", PASSED_ON, [[X, torch.tensor(flag)] for flag in (True, False)]),
    "what nothing reads": ("x n", UNREAD, [[X, n] for n in counts(0, 1, 4)]),
    "constants handed over": ("x n", MADE_ANEW, [[x, n] for x in (X.abs(), -X.abs()) for n in counts(0, 2)]),
    "values that change places": (
        "x y n",
        "for i in range(int(n)):\n    x, y = y, x\nreturn x, y",
        [[X, Y, n] for n in counts(0, 1, 2)],
    ),
}


class Orders(nn.Module):
    """One branch gives an image as a convolution has it, the other as operations in PyTorch's order have it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, (3, 2), padding=(1, 1)), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor, flag: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        z: torch.Tensor = self.second(y).relu() if bool(flag) else torch.cumsum(y, 1) + y.mean(1, keepdim=True)
        w: torch.Tensor = self.second(z)
        return w + z


class Images(nn.Module):
    """Each turn sends an image through a convolution, and adds up what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        total = x * 0
        for i in range(int(n)):
            x = torch.relu(self.layer(x)) + x * 0.1
            total = total + torch.max_pool2d(x, 3, 1, 1) * i
        return x, total


class Quantized(nn.Module):
    """A quantized image in a loop, and a branch in it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.ao.nn.quantized.Conv2d(3, 3, 3, padding=1)  # type: ignore[no-untyped-call] # PyTorch's own
        self.layer.scale, self.layer.zero_point = 0.05, 120

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        q = torch.quantize_per_tensor(x, 0.05, 120, torch.quint8)
        for _ in range(int(n)):
            q = self.layer(q)
            if bool(q.dequantize().sum() > 0):
                q = torch.relu(q)
        return q.dequantize()


class Deep(nn.Module):
    """A branch in a loop in a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(7, 7)

    def forward(self, x: torch.Tensor, n: torch.Tensor, flag: torch.Tensor) -> torch.Tensor:
        y = x
        if bool(flag):
            i = 0
            while i < int(n):
                if bool(y.sum() > 0):
                    y = self.layer(y)
                    if i > 1:
                        y = y - 1
                else:
                    y = y * 0.5 + i
                i += 1
        else:
            y = y.tanh()
        return y + x


class Shared(nn.Module):
    """The same weights before, in both branches of a loop, and after it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        x = self.layer(x)
        for _ in range(int(n)):
            x = self.layer(x).tanh() if bool(x.sum() > 0) else self.layer(x) * 0.5
        y: torch.Tensor = self.layer(x)
        return y


IMAGE = numbers(1, 3, 5, 6)
MODULES: dict[type[nn.Module], list[Inputs]] = {
    Orders: [[IMAGE, torch.tensor(flag)] for flag in (True, False)],
    Images: [[IMAGE, n] for n in counts(-1, 0, 4)],
    Quantized: [[IMAGE, n] for n in counts(0, 3)],
    Deep: [
        [x, n, torch.tensor(flag)] for x, n, flag in zip((X, -X, X), counts(4, 3, 2), (True, True, False), strict=True)
    ],
    Shared: [[numbers(3, 64), n] for n in counts(0, 4)],
}


def stays_equal(model: torch.jit.ScriptModule, draws: list[Inputs], folder: Path) -> None:
    report = nnapi_check.convert(model, folder / "out", draws[0], feature_level=5, target="ndk", verify=False)

    assert report.readiness == "ready"
    for inputs in draws:
        found = nnapi_check.verify(folder / "out", model, inputs)
        assert found.ran_in == "the NDK's runtime on the host runtime"
        assert all(output.max_relative < 1e-5 for output in found.outputs)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_program_gives_what_pytorch_gives(name: str, tmp_path: Path) -> None:
    inputs, body, draws = WRITTEN[name]

    stays_equal(program(body, inputs.split()), draws, tmp_path)


@pytest.mark.parametrize("made", MODULES)
def test_a_module_gives_what_pytorch_gives(made: type[nn.Module], tmp_path: Path) -> None:
    stays_equal(scripted(made), MODULES[made], tmp_path)


def test_weights_of_bodies_and_of_what_stands_around_them_lie_in_the_file_once(tmp_path: Path) -> None:
    model = scripted(Shared)

    nnapi_check.convert(model, tmp_path / "out", MODULES[Shared][0], feature_level=5, target="ndk", verify=False)

    weights = sum(parameter.numel() * 4 for parameter in model.parameters())
    assert weights < (tmp_path / "out" / MODEL_NAME).stat().st_size < 1.5 * weights
