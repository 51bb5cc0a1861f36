"""What is written to constant places comes out of a package as PyTorch writes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert

Written = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

WRITTEN: dict[str, Written] = {
    "scatter": lambda x, places, mask: x.scatter(2, places.expand(2, 7, -1, 8), x * 2 + 1),
    "scatter of a number": lambda x, places, mask: x.scatter(2, places.expand(2, 7, -1, 8), 0.5),
    "index_copy": lambda x, places, mask: x.index_copy(1, places.flatten(), x[:, 2:5] - 1),
    "index_put": lambda x, places, mask: torch.ops.aten.index_put(x, [None, places.flatten()], x[:, 2:5] - 1),
    "index_put of all indices": lambda x, places, mask: x.index_put((places.flatten() % 2, places.flatten()), x[0, :3]),
    "index_put of a mask": lambda x, places, mask: x.index_put((mask,), x[0, 0, 0, 0]),
    "masked_scatter": lambda x, places, mask: x.masked_scatter(mask, x * 3),
    "slice_scatter": lambda x, places, mask: torch.slice_scatter(x, x[..., 1:4] + 2, 3, 0, 7, 3),
    "index_add": lambda x, places, mask: x.index_add(1, places.flatten() % 3, x[:, 2:5], alpha=0.5),
    "select_scatter": lambda x, places, mask: torch.select_scatter(x, x[:, 1] + 2, 1, -2),
}


class Writing(nn.Module):
    """A convolution, and a write into its output between two additions."""

    def __init__(self, written: Written) -> None:
        super().__init__()
        self.written = written
        self.convolution = nn.Conv2d(3, 7, (2, 3))
        self.register_buffer("places", torch.tensor([4, 0, 2]).reshape(1, 1, 3, 1))
        self.register_buffer("mask", torch.rand(2, 7, 5, 8, generator=torch.Generator().manual_seed(1)) > 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places, mask = self.buffers()
        return self.written(self.convolution(x) + 1, places, mask) + 2


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_package_writes_to_constant_places_as_pytorch_does(written: Written, tmp_path: Path) -> None:
    torch.manual_seed(3)
    photo = torch.rand(2, 3, 6, 10)

    report = convert(Writing(written).eval(), tmp_path / "out.pt", [photo], feature_level=3)

    assert [node.op for node in report.nodes if node.part is None] == []
    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_slices_that_are_written_need_no_constants(tmp_path: Path) -> None:
    class Slices(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            doubled = x * 2
            doubled[:, :, 1:, 2:-1] += y
            doubled[:, 1, 0] = y[:, 0, 0, :1]
            return doubled

    inputs = (torch.rand(2, 3, 5, 9), torch.rand(2, 3, 4, 6))
    report = convert(Slices(), tmp_path / "out.pt", inputs, feature_level=3, min_score=0)

    assert (report.readiness, len(report.parts)) == ("ready", 1)
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    package = torch.jit.load(tmp_path / "out.pt")  # type: ignore[no-untyped-call]  # no types
    buffers = package.nnapi_buffers()
    assert sum(buffer.numel() for part in buffers for buffer in part) <= 1
