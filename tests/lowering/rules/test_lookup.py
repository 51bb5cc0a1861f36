"""What is picked at constant places comes out of a package as PyTorch picks it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert

Picked = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

PICKED: dict[str, Picked] = {
    "one dimension from the end": lambda x, few, many: x[:, few],
    "a grid of rows and columns": lambda x, few, many: x[:, :, few[:, None], many],
    "a grid of columns and rows": lambda x, few, many: x[:, :, few, many[:, None]],
    "a cell for each pair": lambda x, few, many: x[:, few, few],
    "dimensions apart": lambda x, few, many: x[:, few, :, few],
    "all dimensions": lambda x, few, many: x[few % 2, few, few, few],
}


class Picking(nn.Module):
    """A convolution, and places of its output between two additions."""

    def __init__(self, picked: Picked) -> None:
        super().__init__()
        self.picked = picked
        self.convolution = nn.Conv2d(3, 7, (2, 3))
        self.register_buffer("few", torch.tensor([4, -1, 0]))
        self.register_buffer("many", torch.tensor([3, -5, 1, 1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        few, many = self.buffers()
        return self.picked(self.convolution(x) + 1, few, many) + 2


@pytest.mark.parametrize("picked", PICKED.values(), ids=PICKED)
def test_package_picks_constant_places_as_pytorch_does(picked: Picked, tmp_path: Path) -> None:
    torch.manual_seed(3)
    photo = torch.rand(2, 3, 6, 10)

    report = convert(Picking(picked).eval(), tmp_path / "out.pt", [photo], feature_level=3)

    assert [node.op for node in report.nodes if node.part is None] == []
    assert report.verification is not None
    assert report.verification.is_within_tolerance
