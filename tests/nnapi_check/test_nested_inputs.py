"""Inputs in lists, tuples, named tuples and dictionaries, and inputs that are no tensors, from a check to a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.torchscript import load
from nnapi_check.lowering.packaging.artifact import open_artifact


class Photo(NamedTuple):
    pixels: torch.Tensor
    mask: torch.Tensor


class Takes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3, padding=1)

    def forward(
        self,
        photo: Photo,
        extra: list[torch.Tensor],
        table: dict[str, torch.Tensor],
        mode: str,
        times: int,
        bias: torch.Tensor | None = None,
        state: torch.Tensor = torch.tensor([1.5]),  # noqa: B008
        scale: float = float("inf"),
    ) -> dict[str, torch.Tensor]:
        y = torch.relu(self.layer(photo.pixels)) * times
        for item in extra:
            y = y + item
        if mode == "masked":
            y = y * photo.mask
        if bias is not None:
            y = y + bias
        return {"y": self.layer(y[:, :3]) + table["a"] + state.clamp_max(scale)}


def arguments(extra: int = 2, mode: str = "masked", times: int = 3, key: str = "b") -> list[object]:
    pixels, one = torch.rand(1, 3, 48, 56), torch.rand(1, 8, 1, 1)
    table = {"a": torch.rand(1, 8, 48, 56), key: torch.rand(1)}
    return [Photo(pixels, torch.rand(1, 1, 48, 56)), [one] * extra, table, mode, times]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model with nested inputs, and what it was converted to."""
    folder = tmp_path_factory.mktemp("nested")
    torch.jit.save(torch.jit.script(Takes().eval()), folder / "model.pt")
    report = nnapi_check.convert(
        folder / "model.pt", folder / "made.pt", arguments(), feature_level=3, bundle_input=True, layers=True
    )
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    return folder / "model.pt", folder / "made.pt"


@pytest.mark.parametrize(
    "given",
    [
        arguments(),
        arguments(extra=1),
        arguments(mode="plain"),
        arguments(times=4),
        arguments(key="c"),
        [*arguments(), torch.rand(8, 1, 1)],
        [*arguments(), None, torch.tensor([2.0])],
        [*arguments(), None, torch.tensor([[2.0]]), 0.5],
    ],
    ids=["same", "another length", "another text", "another number", "another key", "optional", "default", "all"],
)
def test_a_package_takes_what_the_model_takes(files: tuple[Path, Path], given: Sequence[object]) -> None:
    model, made = map(load, map(str, files))

    found, wanted = made(*given), model(*given)

    torch.testing.assert_close(found["y"], wanted["y"], rtol=1e-4, atol=1e-4)


def test_only_the_inputs_converted_for_run_on_nnapi(files: tuple[Path, Path]) -> None:
    matches = load(str(files[1]))._c._get_method("nnapi_matches")
    rest = (None, torch.tensor([1.5]), float("inf"))

    assert matches(*arguments(), *rest)
    assert not matches(*arguments(extra=1), *rest)
    assert not matches(*arguments(mode="plain"), *rest)
    assert not matches(*arguments(times=4), *rest)
    assert not matches(*arguments(key="c"), *rest)
    assert not matches(*arguments(), torch.rand(8, 1, 1), *rest[1:])
    assert not matches(*arguments(), *rest[:2], 0.5)


def test_bundled_inputs_hold_the_whole_arguments(files: tuple[Path, Path]) -> None:
    (row,) = load(str(files[1]))._c._get_method("get_all_bundled_inputs")()

    assert [item.shape for item in row[1]] == [(1, 8, 1, 1)] * 2
    assert row[3:5] == ("masked", 3)
    assert nnapi_check.check(files[1].with_name("model.pt"), list(row), feature_level=3).score > 0


def test_a_file_is_verified_with_nested_inputs(files: tuple[Path, Path]) -> None:
    found = nnapi_check.verify(files[1], files[0], arguments(), layers=True)

    assert found.is_within_tolerance
    assert open_artifact(files[1]).manifest is not None


class TakesTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(256, 256)

    def forward(
        self, x: torch.Tensor, table: dict[str, torch.Tensor], *, more: tuple[torch.Tensor, torch.Tensor], times: int
    ) -> dict[str, torch.Tensor]:
        return {"made": self.layer(torch.relu(self.layer(x + table["a"]))) * times + more[1]}


def call() -> dict[str, object]:
    more = torch.rand(1), torch.rand(64, 256)
    return {"x": torch.rand(64, 256), "table": {"a": torch.rand(256)}, "more": more, "times": 2}


def test_a_live_module_is_traced_with_nested_and_named_inputs(tmp_path: Path) -> None:
    report = nnapi_check.convert(TakesTable().eval(), tmp_path / "made.pt", call(), feature_level=3, layers=True)

    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_a_traced_file_keeps_its_nested_inputs(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def forward(self, xs: list[torch.Tensor], table: dict[str, torch.Tensor]) -> torch.Tensor:
            return torch.relu(xs[0] @ xs[1]) + table["b"]

    inputs = [torch.rand(64, 256), torch.rand(256, 256)], {"b": torch.rand(256)}
    traced = torch.jit.trace(Sum(), inputs, strict=False)  # type: ignore[no-untyped-call]  # PyTorch states no types
    traced.save(tmp_path / "traced.pt")

    report = nnapi_check.convert(tmp_path / "traced.pt", tmp_path / "made.pt", feature_level=3)

    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_an_exported_program_is_called_by_its_own_keywords(tmp_path: Path) -> None:
    given = call()
    x, table = given.pop("x"), given.pop("table")
    program = torch.export.export(TakesTable().eval(), (x, table), given)
    torch.export.save(program, tmp_path / "program.pt2")

    report = nnapi_check.convert(tmp_path / "program.pt2", tmp_path / "made.pt", feature_level=3)

    assert report.verification is not None
    assert report.verification.is_within_tolerance


class TakesOptionalList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(128, 128)

    def forward(self, x: torch.Tensor, more: list[torch.Tensor] | None) -> torch.Tensor:
        y = torch.relu(self.layer(x))
        if more is not None:
            y = y + more[1]
        return torch.relu(self.layer(y))


@pytest.mark.parametrize("more", [None, [torch.rand(1), torch.rand(64, 128)]])
def test_layers_are_compared_inside_a_branch_that_inputs_decide(more: object, tmp_path: Path) -> None:
    module = torch.jit.script(TakesOptionalList().eval())

    report = nnapi_check.convert(
        module, tmp_path / "made.pt", [torch.rand(64, 128), more], feature_level=3, layers=True
    )

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert report.verification.layers
