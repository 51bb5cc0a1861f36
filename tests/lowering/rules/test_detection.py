"""Regions and deformed filters beside torchvision's own, at boxes and offsets that leave the image."""

from pathlib import Path

import pytest
import torch
from torchvision.ops import DeformConv2d, roi_align

import nnapi_check


class Regions(torch.nn.Module):
    """Features of boxes, as a second stage takes them."""

    def __init__(self, samples: int, *, is_aligned: bool) -> None:
        super().__init__()
        self.features = torch.nn.Conv2d(3, 5, 3, padding=1)
        self.head = torch.nn.Linear(5 * 3 * 4, 7)
        self.samples, self.is_aligned = samples, is_aligned

    def forward(self, x: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        found = roi_align(self.features(x), boxes, (3, 4), 0.5, self.samples, self.is_aligned)
        return self.head(found.flatten(1))  # type: ignore[no-any-return]  # a module is Any


def drawn_boxes(count: int, images: int, reach: float) -> torch.Tensor:
    """Boxes [image, x1, y1, x2, y2] that may leave the images, with sides that may be of no length or turned around."""
    image = torch.randint(images, (count, 1)).float()
    return torch.cat([image, (torch.rand(count, 4) * 2 - 0.5) * reach], 1)


class Deformed(torch.nn.Module):
    """A filter whose offsets another convolution computes."""

    def __init__(self, groups: int, of_offsets: int) -> None:
        super().__init__()
        self.offsets = torch.nn.Conv2d(4, of_offsets * 2 * 6, (2, 3), padding=1)
        self.masks = torch.nn.Conv2d(4, of_offsets * 6, (2, 3), padding=1)
        self.filter = DeformConv2d(4, 6, (2, 3), padding=1, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        offsets, masks = self.offsets(x) * 3, torch.sigmoid(self.masks(x))
        return self.filter(x, offsets, masks)  # type: ignore[no-any-return]  # a module is Any


def converted(model: torch.nn.Module, given: tuple[torch.Tensor, ...], folder: Path) -> nnapi_check.ModelReport:
    report = nnapi_check.convert(model.eval(), folder / "converted.pt", given, feature_level=3)
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    return report


@pytest.mark.parametrize("is_aligned", [True, False])
@pytest.mark.parametrize("samples", [1, 2])
def test_regions_of_boxes_that_leave_the_image_are_those_of_torchvision(
    samples: int, *, is_aligned: bool, tmp_path: Path
) -> None:
    torch.manual_seed(samples)
    report = converted(
        Regions(samples, is_aligned=is_aligned), (torch.randn(2, 3, 15, 21), drawn_boxes(40, 2, 40.0)), tmp_path
    )

    assert (report.readiness, len(report.parts)) == ("ready", 1)


@pytest.mark.parametrize(("groups", "of_offsets"), [(1, 1), (2, 1), (1, 2), (2, 4)])
def test_deformed_filters_are_those_of_torchvision(groups: int, of_offsets: int, tmp_path: Path) -> None:
    torch.manual_seed(groups)
    report = converted(Deformed(groups, of_offsets), (torch.randn(2, 4, 7, 9),), tmp_path)

    assert (report.readiness, len(report.parts)) == ("ready", 1)
