"""Exported programs of varying sizes, converted: other sizes than converted for run on the CPU, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.jit.mobile import _load_for_lite_interpreter

import nnapi_check

Tensor = torch.Tensor


class Encoder(torch.nn.Module):
    """A layer of attention over words with places."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(30, 16)
        self.places = torch.nn.Parameter(torch.rand(24, 16))
        self.layer = torch.nn.TransformerEncoderLayer(16, 2, 24, batch_first=True, dropout=0.0)

    def forward(self, ids: Tensor) -> Tensor:
        """The states of each word."""
        states: Tensor = self.layer(self.words(ids) + self.places[: ids.shape[1]])
        return states


@pytest.fixture(scope="module")
def program() -> torch.export.ExportedProgram:
    torch.manual_seed(3)
    sizes = {0: torch.export.Dim("rows", min=1, max=5), 1: torch.export.Dim("length", min=2, max=24)}
    ids = torch.arange(18).reshape(2, 9)
    return torch.export.export(Encoder().eval(), (ids,), dynamic_shapes={"ids": sizes})


def loaded(path: Path, *, lite: bool) -> Callable[[Tensor], Tensor]:
    load: Callable[[str], Callable[[Tensor], Tensor]] = _load_for_lite_interpreter if lite else torch.jit.load
    return load(str(path))


@pytest.mark.parametrize("lite", [False, True])
def test_other_sizes_run_on_the_cpu_with_the_numbers_of_the_program(
    program: torch.export.ExportedProgram, tmp_path: Path, lite: bool
) -> None:
    torch.export.save(program, tmp_path / "model.pt2")
    path = tmp_path / "out.ptl"

    report = nnapi_check.convert(tmp_path / "model.pt2", path, feature_level=4, lite=lite)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    converted = loaded(path, lite=lite)
    for shape in ((1, 9), (5, 24), (3, 2), (2, 13)):
        ids = torch.arange(shape[0] * shape[1]).reshape(shape) % 30
        torch.testing.assert_close(converted(ids), program.module()(ids))


@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize(
    ("shape", "told"), [((6, 9), "takes 1 to 5 for ids.0"), ((2, 25), "takes 2 to 24 for ids.1"), ((9,), "dimensions")]
)
def test_sizes_that_the_program_refuses_are_refused(
    program: torch.export.ExportedProgram, shape: tuple[int, ...], told: str, tmp_path: Path, lite: bool
) -> None:
    path = tmp_path / "out.ptl"
    nnapi_check.convert(program, path, feature_level=4, lite=lite, verify=False)

    with pytest.raises(torch.jit.Error, match=told):
        loaded(path, lite=lite)(torch.zeros(shape, dtype=torch.int64))


def test_a_size_that_is_chosen_is_the_one_converted_for(program: torch.export.ExportedProgram, tmp_path: Path) -> None:
    report = nnapi_check.convert(program, tmp_path / "out.pt", ["i64[3,17]"], feature_level=4)

    assert report.inputs == ("i64[3,17]",)
    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_sizes_of_lists_are_refused_by_their_places(tmp_path: Path) -> None:
    class Joined(torch.nn.Module):
        def forward(self, images: list[Tensor]) -> Tensor:
            return torch.cat(images, 1) * 2.0

    size = torch.export.Dim("size", min=2, max=9)
    program = torch.export.export(
        Joined(), ([torch.rand(4, 3), torch.rand(4, 5)],), dynamic_shapes={"images": [{0: size}, {0: size}]}
    )
    nnapi_check.convert(program, tmp_path / "out.pt", feature_level=4)

    load: Callable[[Path], Callable[[list[Tensor]], Tensor]] = torch.jit.load
    converted = load(tmp_path / "out.pt")
    given = [torch.rand(7, 3), torch.rand(7, 5)]
    torch.testing.assert_close(converted(given), program.module()(given))
    with pytest.raises(torch.jit.Error, match=r"takes one size for images.1.0 and images.0.0"):
        converted([torch.rand(7, 3), torch.rand(6, 5)])
