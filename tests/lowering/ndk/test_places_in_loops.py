"""Places that only a run knows, read and written, and whole numbers of the program: they are those of PyTorch."""

from pathlib import Path

import pytest
import torch

import nnapi_check
from tests.analyzer.judging.written_programs import program
from tests.lowering.ndk.test_branches_and_loops import numbers

CASES: dict[str, tuple[str, list[int]]] = {
    "a step for each place": (
        "h = x[0] * 0\nfor t in range(int(n)):\n    h = torch.tanh(x[t] + h * 0.5)\nreturn h",
        [0, 1, 5],
    ),
    "from the end": ("h = x[:, 0] * 0\nfor t in range(int(n)):\n    h = h * 0.5 - x[:, -1 - t]\nreturn h", [0, 2, 4]),
    "a place by itself": ("return x[int(n)] + x[-int(n) - 1, :, int(n) % 3].unsqueeze(1)", [0, 3, 4]),
    "a window": ("h = x[0:2] * 0\nfor t in range(int(n)):\n    h = h + x.narrow(0, t, 2) * t\nreturn h", [0, 1, 4]),
    "written": ("y = x * 2\ny[int(n)] = x[0]\ny[-int(n) - 1, 2] = 7.5\nreturn y", [0, 2, 4]),
    "a range with a start and a step": (
        "for t in range(1, int(n), 3):\n    x = x * 0.5 + x[t]\nreturn x",
        [0, 1, 2, 4, 5],
    ),
    "turns that are passed over": (
        "h = x[0] * 0\nfor t in range(x.size(0)):\n    if int(n) > t:\n        continue\n"
        "    h = h * 0.5 + x[t]\nreturn h",
        [0, 3, 9],
    ),
    "a range that counts down": ("for t in range(int(n), -1, -2):\n    x = x * 0.5 + x[t] + t\nreturn x", [0, 1, 3, 4]),
    "arithmetic": (
        "k = int(n) - 3\nj = max(k, -1) * min(k, 2) + abs(k)\n"
        "if k % 3 == 1 or not k // 2 == -1:\n    x = x * j - k % -4\n"
        "return x * (k // 2) + -k",
        [-7, -1, 0, 1, 4],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_pytorch_gives(name: str, tmp_path: Path) -> None:
    body, draws = CASES[name]
    model, x = program(body), numbers(5, 4, 3)

    report = nnapi_check.convert(model, tmp_path / "out", [x, torch.tensor(draws[-1])], feature_level=4, target="ndk")

    assert (report.readiness, report.score) == ("ready", 100)
    for n in draws:
        found = nnapi_check.verify(tmp_path / "out", model, [x, torch.tensor(n)])
        assert all(output.max_relative < 1e-5 for output in found.outputs)
