from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.capture.source_position import find_place
from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from tests.analyzer.torch_models import scripted_file, traced_file


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y = self.norm(y)
        result: torch.Tensor = y * 3.0
        return result


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Inner(), Inner()])
        self.tail = nn.Sequential(nn.Conv2d(3, 3, (1, 3)), nn.Sigmoid())

    def activate(self, x: torch.Tensor) -> torch.Tensor:
        shifted = x - 1.0
        return functional.relu(shifted)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self.parts:
            x = part(x)
        x = self.activate(x)
        result: torch.Tensor = self.tail(x)
        return result


LINES = Path(__file__).read_text().splitlines()
EXPECTED = [
    ("aten.conv2d.default", "parts.0", "self.conv(x)"),
    ("aten.batch_norm.default", "parts.0.norm", "self.norm(y)"),
    ("aten.mul.", "parts.0", "y * 3.0"),
    ("aten.conv2d.default", "parts.1", "self.conv(x)"),
    ("aten.batch_norm.default", "parts.1.norm", "self.norm(y)"),
    ("aten.mul.", "parts.1", "y * 3.0"),
    ("aten.sub.", "", "x - 1.0"),
    ("aten.relu.default", "", "shifted"),
    ("aten.conv2d.default", "tail.0", "self.tail(x)"),
    ("aten.sigmoid.default", "tail.1", "self.tail(x)"),
]


def scripted(folder: Path) -> list[Node]:
    return list(
        capture(scripted_file(folder, Outer()), [parse_input_spec("f32[1,3,5,7]")], weights=False).graph.nodes()
    )


def traced(folder: Path) -> list[Node]:
    return list(capture(traced_file(folder, Outer(), torch.rand(1, 3, 5, 7)), None, weights=False).graph.nodes())


def exported(folder: Path) -> list[Node]:
    return program_nodes(torch.export.export(Outer().eval(), (torch.rand(1, 3, 5, 7),)), folder)


def decomposed(folder: Path) -> list[Node]:
    return program_nodes(torch.export.export(Outer().eval(), (torch.rand(1, 3, 5, 7),)).run_decompositions(), folder)


def program_nodes(program: torch.export.ExportedProgram, folder: Path) -> list[Node]:
    torch.export.save(program, folder / "model.pt2")
    return list(capture(folder / "model.pt2", None, weights=False).graph.nodes())


@pytest.mark.parametrize("nodes_of", [scripted, traced])
def test_a_node_has_the_users_line_and_the_modules_path(nodes_of: Callable[[Path], list[Node]], tmp_path: Path) -> None:
    is_at(nodes_of(tmp_path), {})


@pytest.mark.parametrize("nodes_of", [exported, decomposed])
def test_a_node_of_a_program_has_the_line_of_a_forward(nodes_of: Callable[[Path], list[Node]], tmp_path: Path) -> None:
    # Programs of newer releases tell no lines of other functions, but where these are called.
    is_at(nodes_of(tmp_path), {"x - 1.0": "self.activate(x)", "shifted": "self.activate(x)"})


def is_at(nodes: list[Node], calls: Mapping[str, str]) -> None:
    assert len(nodes) == len(EXPECTED)
    for node, (op, module, text) in zip(nodes, EXPECTED, strict=True):
        assert node.op.startswith(op)
        assert node.source.module.startswith(module)
        assert node.source.file == __file__
        line = LINES[(node.source.line or 0) - 1]
        assert text in line or calls.get(text, text) in line


def test_a_node_of_a_program_that_tells_no_stacks_has_no_place(tmp_path: Path) -> None:
    program = torch.export.export(Outer().eval(), (torch.rand(1, 3, 5, 7),))
    for node in program.graph.nodes:
        node.stack_trace = None

    nodes = program_nodes(program, tmp_path)

    assert {(node.source.file, node.source.line) for node in nodes} == {(None, None)}


def test_a_layer_of_pytorch_that_is_traced_here_does_not_lead_to_who_traced_it() -> None:
    (node,) = capture(nn.Conv2d(3, 3, 1).eval(), [torch.rand(1, 3, 5, 7)], weights=False).graph.nodes()

    assert node.source.file is not None
    assert node.source.file.endswith("conv.py")


def test_a_frame_of_the_user_goes_before_those_of_pytorch() -> None:
    text = "/lib/torch/nn/functional.py(9): relu\n/home/me/net.py(4): forward\n/home/me/main.py(2): <module>\n"

    assert find_place(text) == ("/home/me/net.py", 4)


def test_a_frame_of_pytorch_is_better_than_none() -> None:
    assert find_place("/lib/torch/nn/functional.py(9): relu\n") == ("/lib/torch/nn/functional.py", 9)


def test_a_text_without_frames_has_no_place() -> None:
    assert find_place("") == (None, None)
    assert find_place(' Serialized   File "code/__torch__.py", line 3\n') == (None, None)
