from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, NodeOutput, Parameter, Ref, TensorType
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.torchscript import attribute_at, trace
from tests.analyzer.torch_models import Small, computed_types, scripted_file, traced_file
from tests.torch_releases import since

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    module = torchvision.models.mobilenet_v2(weights=None)
    return traced_file(tmp_path_factory.mktemp("mobilenet"), module, torch.rand(1, 3, 64, 96))


@pytest.fixture(scope="module")
def swin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    module = torchvision.models.SwinTransformer(
        patch_size=[4, 4], embed_dim=12, depths=[2, 2], num_heads=[1, 2], window_size=[7, 7], num_classes=5
    )
    return traced_file(tmp_path_factory.mktemp("swin"), module, torch.rand(1, 3, 64, 96))


def test_types_every_value_of_a_traced_file(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    graph = capture(path, None, weights=False).graph

    assert all(isinstance(value.type, TensorType) for value in graph.values)
    assert graph.type_of(graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (1, 192))


def test_captures_a_frozen_module_that_has_no_mode_any_more() -> None:
    x = torch.rand(1, 3, 7, 9)
    frozen = torch.jit.freeze(trace(nn.Conv2d(3, 4, 2).eval(), [x]))

    graph = capture(frozen, [x], weights=True).graph

    assert [node.op for node in graph.nodes()] == ["aten.conv2d.default"]


@pytest.mark.parametrize("model", ["mobilenet", "swin"])
def test_graph_is_the_same_with_and_without_weights(model: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(model)

    assert capture(path, None, weights=False).graph == capture(path, None, weights=True).graph


@pytest.mark.parametrize("model", ["mobilenet", "swin"])
def test_types_are_those_of_a_run(model: str, request: pytest.FixtureRequest) -> None:
    captured = capture(request.getfixturevalue(model), None, weights=True)

    computed = computed_types(captured)

    assert len(computed) > 100
    assert {number: captured.graph.type_of(number) for number in computed} == computed


def test_what_shapes_alone_decide_is_not_left_to_the_run(swin: Path) -> None:
    nodes = list(capture(swin, None, weights=False).graph.nodes())

    assert "aten.view.default" in {node.op for node in nodes}
    assert not {node.op for node in nodes} & {"aten.size.int", "aten.Int.Tensor", "prim.ListConstruct"}
    assert all(node.is_constant for node in nodes if node.op == "prim.NumToTensor.Scalar")


def test_what_no_input_reaches_is_constant(swin: Path) -> None:
    graph = capture(swin, None, weights=False).graph

    masks = [node for node in graph.nodes() if node.op == "aten.slice_scatter.default"]
    softmax = [node for node in graph.nodes() if node.op == "aten.softmax.int"]

    assert masks
    assert all(node.is_constant for node in masks)
    assert softmax
    assert not any(node.is_constant for node in softmax)


def test_values_and_nodes_are_numbered_in_order(mobilenet: Path) -> None:
    graph = capture(mobilenet, None, weights=False).graph

    assert [value.id for value in graph.values] == list(range(len(graph.values)))
    nodes = list(graph.nodes())
    assert [node.id for node in nodes] == list(range(len(nodes)))
    for node in nodes:
        assert all(value < min(node.outputs) for value in node.inputs())
        assert [graph.values[value].origin for value in node.outputs] == [
            NodeOutput(node.id, index) for index in range(len(node.outputs))
        ]


def test_nodes_and_values_lead_to_those_of_pytorch(tmp_path: Path) -> None:
    captured = capture(traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9)), None, weights=True)

    for node in captured.graph.nodes():
        torch_node = captured.torch_nodes[node.id]
        assert captured.torch_values[node.outputs[0]].node() is torch_node
    assert captured.torch_nodes[0].kind() == "aten::_convolution"


def test_convolution_has_the_name_and_arguments_of_its_rank(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    node = next(capture(path, None, weights=False).graph.nodes())

    assert node.op == "aten.conv2d.default"
    assert node.argument("stride") == (2, 1)
    assert node.argument("padding") == (1, 0)
    assert list(node.arguments) == ["input", "weight", "bias", "stride", "padding", "dilation", "groups"]


def test_parameters_are_read_by_path(tmp_path: Path) -> None:
    module = Small()
    captured = capture(traced_file(tmp_path, module, torch.rand(1, 3, 7, 9)), None, weights=True)
    weight = next(captured.graph.nodes()).argument("weight")

    assert isinstance(weight, Ref)
    assert captured.graph.values[weight.value].origin == Parameter("first.weight")
    assert torch.equal(captured.tensor(weight.value), module.first.weight)


def test_elements_need_a_capture_with_weights(tmp_path: Path) -> None:
    captured = capture(traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9)), None, weights=False)

    with pytest.raises(ValueError, match="without weights"):
        captured.tensor(1)


def test_a_live_module_is_traced_with_the_inputs_given() -> None:
    module = Small().train()

    captured = capture(module, [torch.rand(2, 3, 7, 9)], weights=True)

    assert captured.input_types == (TensorType(ElementType.FLOAT32, (2, 3, 7, 9)),)
    assert module.training
    assert module.norm.training


def test_a_live_module_is_traced_with_inputs_of_the_types_given() -> None:
    captured = capture(Small(), [parse_input_spec("x=f32[2,3,7,9]")], weights=True)

    assert captured.graph.type_of(captured.graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (2, 192))


def test_a_live_module_without_inputs_is_refused() -> None:
    with pytest.raises(InputError, match="pass example inputs"):
        capture(Small(), None, weights=False)


def test_a_scripted_module_stays_as_it_was() -> None:
    module = torch.jit.script(Small().train())
    before = str(module.graph)

    captured = capture(module, [torch.rand(1, 3, 7, 9)], weights=True)

    assert str(module.graph) == before
    assert module.training
    norm = next(node for node in captured.graph.nodes() if node.op == "aten.batch_norm.default")
    assert norm.argument("training") is False


@since("2.6", "exported programs flatten as their modules do")
def test_an_exported_program_gives_the_graph_of_the_module(tmp_path: Path) -> None:
    module = Small().eval()
    inputs = (torch.rand(1, 3, 7, 9),)
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(module, inputs), path)

    exported = capture(path, None, weights=False).graph
    traced = capture(traced_file(tmp_path, module, *inputs), None, weights=False).graph

    assert [node.op for node in exported.nodes()] == [node.op for node in traced.nodes()]
    assert [value.type for value in exported.values] == [value.type for value in traced.values]


def test_example_inputs_run_the_model(tmp_path: Path) -> None:
    module = Small().eval()
    captured = capture(scripted_file(tmp_path, module), [parse_input_spec("f32[2,3,7,9]")], weights=True)

    result = module(*captured.example_inputs)

    assert result.shape == (2, 192)
    assert captured.example_inputs[0] is captured.example_inputs[0]


def test_a_check_reads_no_weights(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 64, (5, 7)), nn.Conv2d(64, 64, 3))
    path = traced_file(tmp_path, module, torch.rand(1, 3, 32, 48))

    captured = capture(path, None, weights=False)

    weights = [attribute_at(captured.module, path) for path in ("0.weight", "1.weight")]
    assert all(isinstance(weight, torch.Tensor) and weight.is_meta for weight in weights)


def test_what_a_module_runs_beside_the_rest_is_read_in_its_place() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            future = torch.jit.fork(self.linear, x)  # type: ignore[no-untyped-call]  # PyTorch gives no types here
            made: torch.Tensor = self.linear(x) + torch.jit.wait(future)  # type: ignore[no-untyped-call]  # as above
            return made

    graph = capture(Beside().eval(), [torch.rand(2, 4)], weights=True).graph

    assert sorted(node.op for node in graph.nodes()) == [
        "aten.add.Tensor",
        "aten.linear.default",
        "aten.linear.default",
    ]
