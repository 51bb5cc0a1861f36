from pathlib import Path

import torch
from torch import nn

from analyzer.capture import capture
from analyzer.graph import ElementType, Parameter, Ref, TensorType
from analyzer.input_spec import parse_input_spec


class Small(nn.Module):
    """Two convolutions with everything between them that a network has."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0))
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm(self.first(x)))
        return self.second(y).flatten(1)


def traced_file(tmp_path: Path, module: nn.Module, *inputs: torch.Tensor) -> Path:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.trace(module.eval(), inputs), str(path))
    return path


def test_types_every_value_of_a_traced_file(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    graph = capture(path, None, weights=False).graph

    assert all(isinstance(value.type, TensorType) for value in graph.values)
    assert graph.type_of(graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (1, 192))


def test_graph_is_the_same_with_and_without_weights(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    assert capture(path, None, weights=False).graph == capture(path, None, weights=True).graph


def test_convolution_has_the_name_and_arguments_of_its_rank(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    node = next(capture(path, None, weights=False).graph.nodes())

    assert node.op == "aten.conv2d.default"
    assert node.argument("stride") == (2, 1)
    assert node.argument("padding") == (1, 0)
    assert list(node.arguments) == ["input", "weight", "bias", "stride", "padding", "dilation", "groups"]
    assert node.source.module == "first"


def test_parameters_are_read_by_path(tmp_path: Path) -> None:
    module = Small()
    captured = capture(traced_file(tmp_path, module, torch.rand(1, 3, 7, 9)), None, weights=True)
    weight = next(captured.graph.nodes()).argument("weight")

    assert isinstance(weight, Ref)
    assert captured.graph.values[weight.value].origin == Parameter("first.weight")
    assert torch.equal(captured.tensor(weight.value), module.first.weight)


def test_given_specification_replaces_the_stored_shape(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    graph = capture(path, [parse_input_spec("x=f32[2,3,9,11]")], weights=False).graph

    assert graph.type_of(graph.body.inputs[0]) == TensorType(ElementType.FLOAT32, (2, 3, 9, 11))


def test_source_is_the_users_line(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    source = next(capture(path, None, weights=False).graph.nodes()).source

    assert source.file == __file__
    lines = Path(__file__).read_text().splitlines()
    assert "self.first(x)" in lines[(source.line or 0) - 1]
