"""Constants in the form of what NNAPI computes: they need no element of it, so that no part hands it out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.torchscript import load

MADE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "zeros of a shape": lambda y: y.new_zeros((24, 40)),
    "a number of a shape": lambda y: y.new_full((24, 40), 0.25),
    "ones like it": lambda y: torch.ones_like(y)[0, 0],
    "a number like it": lambda y: torch.full_like(y, 0.5)[0, 0],
    "by its size": lambda y: torch.ones(y.shape[2:]),
}


class Masked(nn.Module):
    """A mask that is written in pieces, as those of shifted windows are, beside what NNAPI computes."""

    def __init__(self, made: Callable[[torch.Tensor], torch.Tensor], *, has_cpu_op: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(48, 64, (3, 3), padding=1), nn.Conv2d(64, 80, (3, 1), padding=(1, 0))
        self.made, self.has_cpu_op = made, has_cpu_op

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x).relu()
        mask = self.made(y)
        mask[2:, :3] = 1
        z = self.second(y)
        found: torch.Tensor = z + mask.masked_fill(mask == 1, -3.0) * (self.made(z) - 1)
        return torch.special.bessel_j0(found) * self.made(y) * mask if self.has_cpu_op else found


@pytest.mark.parametrize("has_cpu_op", [False, True])
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_a_part_hands_out_only_what_is_read_of_it(
    made: Callable[[torch.Tensor], torch.Tensor], has_cpu_op: bool, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    x, model = torch.randn(1, 48, 24, 40), Masked(made, has_cpu_op=has_cpu_op).eval()

    report = nnapi_check.convert(model, tmp_path / "made.pt", [x], feature_level=3)

    assert {len(part.outputs) for part in report.parts} == {1}
    assert report.readiness == ("ready with fallback" if has_cpu_op else "ready")
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    package = load(str(tmp_path / "made.pt"))
    package.use_cpu()
    assert torch.equal(package(x), model(x))


class Looped(nn.Module):
    """A loop that begins with a constant like a value, and is read beside what was computed with that value."""

    def __init__(self, *, has_cpu_op: bool) -> None:
        super().__init__()
        self.conv, self.has_cpu_op = nn.Conv2d(8, 24, 3, padding=1), has_cpu_op

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        like = torch.special.bessel_j0(y) if self.has_cpu_op else y * 2
        z = torch.zeros_like(like)
        turn = 0
        while turn < 3:
            z = z.softmax(-1)
            turn += 1
            if turn == 2:
                break
        found: torch.Tensor = z + y.relu()
        return found


@pytest.mark.parametrize("has_cpu_op", [False, True])
def test_a_part_may_read_what_comes_of_a_constant_like_one_of_its_values(has_cpu_op: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    x, model = torch.randn(1, 8, 12, 20), torch.jit.script(Looped(has_cpu_op=has_cpu_op).eval())

    report = nnapi_check.convert(model, tmp_path / "made.pt", [x], feature_level=3, min_score=0)

    assert report.parts
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    package = load(str(tmp_path / "made.pt"))
    package.use_cpu()
    assert torch.equal(package(x), model(x))
