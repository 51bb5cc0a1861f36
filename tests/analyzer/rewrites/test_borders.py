"""Paddings with a tensor's own cells, and resizing to the nearest cell, are one op in every form."""

from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Graph
from tests.analyzer.torch_models import Called
from tests.torch_releases import since

SIGNAL, IMAGE, VOLUME = (2, 3, 5), (1, 2, 3, 4), (1, 2, 3, 4, 5)

PADDINGS = [
    pytest.param(nn.ReflectionPad1d((1, 4)), SIGNAL, id="reflected signal"),
    pytest.param(nn.ReflectionPad2d((1, 2, 0, 2)), IMAGE, id="reflected image"),
    pytest.param(nn.ReflectionPad2d((0, 0, 2, 1)), IMAGE[1:], id="reflected rows without a batch"),
    pytest.param(nn.ReflectionPad3d((1, 0, 2, 1, 0, 2)), VOLUME, id="reflected volume"),
    pytest.param(nn.ReplicationPad1d((7, 0)), SIGNAL, id="replicated signal"),
    pytest.param(nn.ReplicationPad2d((5, 1, 0, 9)), IMAGE, id="replicated image"),
    pytest.param(nn.CircularPad1d((5, 1)), SIGNAL, id="circular signal, as wide as itself"),
    pytest.param(nn.CircularPad1d((0, 0)), SIGNAL, id="circular signal without a border"),
    pytest.param(nn.CircularPad2d((1, 4, 0, 2)), IMAGE, id="circular image"),
    pytest.param(nn.CircularPad3d((1, 0, 2, 1, 0, 2)), VOLUME, id="circular volume"),
]

RESIZINGS = [
    pytest.param(nn.Upsample(size=(7,)), SIGNAL, "aten.upsample_nearest1d.default", id="signal"),
    pytest.param(
        nn.Upsample(size=(7, 2), mode="nearest-exact"), IMAGE, "aten._upsample_nearest_exact2d.default", id="image"
    ),
]


def decomposed(module: nn.Module, shape: tuple[int, ...], folder: Path) -> Path:
    """A file of the decomposed program."""
    program = torch.export.export(module.eval(), (torch.rand(shape),)).run_decompositions()
    torch.export.save(program, folder / "decomposed.pt2")
    return folder / "decomposed.pt2"


def rewritten(file: Path) -> Graph:
    return capture(file, None, weights=False).graph


@pytest.mark.parametrize(("module", "shape"), PADDINGS)
def test_decomposed_padding_is_the_op_that_the_module_calls(
    module: nn.Module, shape: tuple[int, ...], tmp_path: Path
) -> None:
    (live,) = capture(module.eval(), [torch.rand(shape)], weights=False).graph.nodes()

    (found,) = rewritten(decomposed(module, shape, tmp_path)).nodes()

    assert (found.op, found.arguments["mode"]) == (live.op, live.arguments["mode"])
    whole, pads = (_borders(node.arguments["pad"]) for node in (live, found))
    assert pads == whole


def _borders(pads: object) -> list[object]:
    """The pads without dimensions at the front that get none."""
    assert isinstance(pads, tuple)
    items = list(pads)
    while items and items[-2:] == [0, 0]:
        del items[-2:]
    return items


@since("2.9", "decompositions of resizing are of this form")
@pytest.mark.parametrize(("module", "shape", "op"), RESIZINGS)
def test_decomposed_resizing_is_the_op_that_the_module_calls(
    module: nn.Module, shape: tuple[int, ...], op: str, tmp_path: Path
) -> None:
    (found,) = rewritten(decomposed(module, shape, tmp_path)).nodes()

    assert (found.op, found.arguments["output_size"]) == (op, (7, 2)[: len(shape) - 2])


@pytest.mark.parametrize("module", [nn.ReflectionPad2d((1, 2, 0, 2)), nn.CircularPad2d((3, 1, 2, 0))])
def test_numbers_of_a_decomposed_padding_agree(module: nn.Module, tmp_path: Path) -> None:
    report = nnapi_check.convert(decomposed(module, IMAGE, tmp_path), tmp_path / "made.pt", feature_level=3)

    assert (report.readiness, report.score) == ("ready", 100)
    assert report.verification is not None
    assert report.verification.is_within_tolerance


def picked(row: list[int]) -> Graph:
    """Columns of a matrix of five."""
    places = torch.tensor(row)
    return capture(Called(lambda x: x[:, places] * 2), [torch.rand(3, 5)], weights=False).graph


@pytest.mark.parametrize(
    "row", [[0, 1, 2, 3, 4, 2], [1, 0, 1, 2, 3, 4, 4], [3, 2, 1, 0, 1, 2, 3], [4, 3, 2, 1, 0], [2, 2]]
)
def test_other_places_are_not_taken_for_a_padding(row: list[int]) -> None:
    assert [node.op for node in picked(row).nodes()][-2:] == ["aten.index.Tensor", "aten.mul.Tensor"]


def test_paddings_of_one_dimension_stay_apart() -> None:
    def padded(x: torch.Tensor) -> torch.Tensor:
        once = nn.functional.pad(x, (1, 0), mode="reflect")
        return nn.functional.pad(once, (0, 2), mode="reflect")

    graph = capture(Called(padded), [torch.rand(SIGNAL)], weights=False).graph

    assert [node.op for node in graph.nodes()] == ["aten.pad.default", "aten.pad.default"]


def test_padding_that_is_read_halfway_stays_in_two() -> None:
    def padded(x: torch.Tensor) -> torch.Tensor:
        wide = nn.functional.pad(x, (1, 0), mode="replicate")
        return nn.functional.pad(wide, (0, 0, 2, 2), mode="replicate") + wide.sum()

    graph = capture(Called(padded), [torch.rand(SIGNAL)], weights=False).graph

    assert [node.op for node in graph.nodes()].count("aten.pad.default") == 2


def test_part_of_a_constant_that_stays_is_no_border() -> None:
    def written(x: torch.Tensor) -> torch.Tensor:
        return torch.slice_scatter(torch.ones(2, 3, 6), x, 2, 1, 6)

    (node,) = capture(Called(written), [torch.rand(SIGNAL)], weights=False).graph.nodes()

    assert node.op == "aten.slice_scatter.default"
