"""Images sampled at positions inside, on and beyond their border."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as nn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnapi_check import convert
from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def sampled_differences(
    image: torch.Tensor, grid: torch.Tensor, padding: str, registry: Registry, *, corners: bool
) -> list[str]:
    found = runs(lambda x, g: nn.grid_sample(x, g, "bilinear", padding, corners), [image, grid], registry)
    assert found
    return [text for run in found.values() for text in run.differences]


@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    wanted=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    padding=st.sampled_from(["zeros", "border"]),
    corners=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_positions(
    sizes: tuple[int, int, int, int],
    wanted: tuple[int, int],
    padding: str,
    corners: bool,
    seed: int,
    registry: Registry,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(sizes, generator=generator)
    grid = torch.randn((sizes[0], *wanted, 2), generator=generator)

    assert sampled_differences(image, grid, padding, registry, corners=corners) == []


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("corners", [False, True])
def test_borders_and_far_away(padding: str, corners: bool, registry: Registry) -> None:
    image = torch.randn(1, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    edges = torch.tensor([-1e30, -9e9, -9.0, -1.2, -1.0, -0.5, 0.0, 1.0, 1.1, 40.0, 1e30])
    grid = torch.stack(torch.meshgrid(edges, edges[:9], indexing="ij"), -1)[None]

    assert sampled_differences(image, grid, padding, registry, corners=corners) == []


def test_package_samples_by_a_field_that_it_computes(tmp_path: Path) -> None:
    class Warped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.field = torch.nn.Conv2d(3, 2, (2, 3))

        def forward(self, photo: torch.Tensor) -> torch.Tensor:
            return nn.grid_sample(photo, self.field(photo).permute(0, 2, 3, 1), align_corners=False)

    torch.manual_seed(3)

    report = convert(Warped().eval(), tmp_path / "out.pt", [torch.rand(2, 3, 11, 14)], feature_level=3)

    assert [node.op for node in report.nodes if node.part is None] == []
    assert report.verification is not None
    assert report.verification.is_within_tolerance
