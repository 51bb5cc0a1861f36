"""Convolutions whose padding has a name are one op in every form."""

from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.torchscript import trace

CASES = [
    pytest.param(nn.Conv2d(2, 5, (4, 2), padding="same"), (1, 2, 7, 9), "aten.conv2d.padding", id="even"),
    pytest.param(
        nn.Conv2d(2, 5, (3, 2), padding="same", dilation=(2, 3)), (1, 2, 7, 9), "aten.conv2d.padding", id="far"
    ),
    pytest.param(nn.Conv2d(2, 5, (3, 5), padding="same"), (1, 2, 7, 9), "aten.conv2d.default", id="odd"),
    pytest.param(nn.Conv2d(2, 5, (4, 2), padding="valid"), (1, 2, 7, 9), "aten.conv2d.default", id="valid"),
    pytest.param(nn.Conv1d(3, 6, 4, padding="same", groups=3), (2, 3, 9), "aten.conv1d.padding", id="signal"),
    pytest.param(nn.Conv3d(2, 3, (2, 3, 4), padding="same"), (1, 2, 5, 6, 7), "aten.conv3d.padding", id="volume"),
]


def graphs(module: nn.Module, x: torch.Tensor, folder: Path) -> dict[str, Graph]:
    """The module's graph in every form that a model comes in."""
    program = torch.export.export(module, (x,))
    exported, decomposed = folder / "exported.pt2", folder / "decomposed.pt2"
    torch.export.save(program, exported)
    torch.export.save(program.run_decompositions(), decomposed)
    forms = {"traced": trace(module, [x]), "scripted": torch.jit.script(module), "live": module}
    found = {name: capture(form, [x], weights=False).graph for name, form in forms.items()}
    files = {"exported": exported, "decomposed": decomposed}
    found |= {name: capture(file, None, weights=False).graph for name, file in files.items()}
    return found


@pytest.mark.parametrize(("module", "shape", "op"), CASES)
def test_convolution_is_one_op_in_every_form(
    module: nn.Module, shape: tuple[int, ...], op: str, tmp_path: Path
) -> None:
    found = graphs(module.eval(), torch.rand(shape), tmp_path)

    ops = {name: [node.op for node in graph.nodes()] for name, graph in found.items()}
    assert list(ops.values()) == [[op]] * 5, ops


@pytest.mark.parametrize(
    "pads", [(1, 0, 2, 1), (0, 1, 2, 1), (0, 1, 1, 2, 0, 0, 0, 1)], ids=["near", "near height", "batch"]
)
def test_other_padding_is_not_taken_for_that_name(pads: tuple[int, ...]) -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(2, 5, (4, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.convolution(nn.functional.pad(x, pads))
            return found

    graph = capture(Padded().eval(), [torch.rand(1, 2, 7, 9)], weights=False).graph

    assert [node.op for node in graph.nodes()] == ["aten.pad.default", "aten.conv2d.default"]


def test_numbers_of_a_traced_convolution_agree(tmp_path: Path) -> None:
    module = nn.Conv2d(6, 9, (4, 2), padding="same", dilation=(1, 3), groups=3).eval()

    report = nnapi_check.convert(module, tmp_path / "made.pt", [torch.rand(2, 6, 7, 11)], api_level=29)

    assert (report.readiness, report.score) == ("ready", 100)
    assert report.verification is not None
    assert report.verification.is_within_tolerance
