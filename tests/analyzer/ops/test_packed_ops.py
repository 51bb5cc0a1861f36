import copy
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn
from torch.ao import quantization

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import (
    ElementType,
    Node,
    NotQuantized,
    Parameter,
    PerChannel,
    PerTensor,
    Ref,
    TensorType,
)
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from tests.analyzer.torch_models import computed_types, scripted_file, traced_file

pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.ao.quantization.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*quantized tensor creation.*:UserWarning"),
]
prepare = cast("Callable[..., nn.Module]", quantization.prepare)
convert = cast("Callable[..., nn.Module]", quantization.convert)
fuse = cast("Callable[..., nn.Module]", quantization.fuse_modules)
make_config = cast("Callable[..., quantization.QConfig]", quantization.QConfig)
unpack = cast("Callable[[object], tuple[torch.Tensor, torch.Tensor]]", torch.ops.quantized.conv2d_unpack)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.relu = nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0)), nn.ReLU()
        self.pointwise = nn.Conv2d(4, 4, 1, bias=False)
        self.up = nn.ConvTranspose2d(4, 2, (2, 3), stride=(2, 1))
        self.linear = nn.Linear(2 * 8 * 10, 5)
        self.functional = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.conv(self.quant(x)))
        y = self.functional.add(y, self.pointwise(y))
        y = self.up(y)
        result: torch.Tensor = self.dequant(self.linear(torch.flatten(y, 1)))
        return result


def quantized(*, per_channel: bool) -> nn.Module:
    torch.manual_seed(0)
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "qnnpack"
    module = fuse(Net().eval(), [["conv", "relu"]])
    weights = quantization.default_per_channel_weight_observer if per_channel else quantization.default_weight_observer
    config = make_config(activation=quantization.HistogramObserver, weight=weights)
    per_tensor = make_config(activation=config.activation, weight=quantization.default_weight_observer)
    # Transposed convolutions have no weights per channel in PyTorch.
    for part, chosen in ((module, config), (module.up, per_tensor)):
        part.__dict__["qconfig"] = chosen
    prepare(module, inplace=True)
    module(torch.randn(4, 3, 7, 9))
    made = convert(copy.deepcopy(module))
    torch.backends.quantized.engine = before
    return made


@pytest.fixture(scope="module", params=[False, True], ids=["per tensor", "per channel"])
def module(request: pytest.FixtureRequest) -> nn.Module:
    return quantized(per_channel=request.param)


def traced(folder: Path, module: nn.Module) -> Captured:
    return capture(traced_file(folder, module, torch.randn(1, 3, 7, 9)), None, weights=True)


def node_of(captured: Captured, op: str) -> Node:
    return next(node for node in captured.graph.nodes() if node.op == op)


def value_of(node: Node, name: str) -> int:
    argument = node.argument(name)
    assert isinstance(argument, Ref)
    return argument.value


def test_types_are_those_of_a_run(module: nn.Module, tmp_path: Path) -> None:
    captured = traced(tmp_path, module)

    computed = computed_types(captured)

    assert len(computed) == 8
    assert {number: captured.graph.type_of(number) for number in computed} == computed


def test_graph_is_the_same_with_and_without_weights(module: nn.Module, tmp_path: Path) -> None:
    path = traced_file(tmp_path, module, torch.randn(1, 3, 7, 9))

    assert capture(path, None, weights=False).graph == capture(path, None, weights=True).graph


def test_packed_parameters_are_told_as_weight_and_bias(module: nn.Module, tmp_path: Path) -> None:
    captured = traced(tmp_path, module)
    node = node_of(captured, "quantized.conv2d_relu.new")
    weight, bias = value_of(node, "weight"), value_of(node, "bias")
    conv = cast("torch.ao.nn.quantized.Conv2d", module.conv)
    expected_weight, expected_bias = unpack(conv._packed_params)

    assert list(node.arguments) == [
        *("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
        *("output_scale", "output_zero_point"),
    ]
    assert (node.argument("stride"), node.argument("padding")) == ((2, 1), (1, 0))
    assert node.argument("output_scale") == pytest.approx(conv.scale)
    assert captured.graph.values[weight].origin == Parameter("conv._packed_params.weight")
    assert torch.equal(captured.tensor(weight).int_repr(), expected_weight.int_repr())
    assert torch.equal(captured.tensor(bias), expected_bias.detach())
    assert captured.graph.type_of(bias) == TensorType(ElementType.FLOAT32, (4,), NotQuantized())
    assert (captured.part_of(weight), captured.part_of(bias), captured.part_of(0)) == ("weight", "bias", "")


def test_a_weight_has_the_quantization_it_was_made_with(tmp_path: Path) -> None:
    one, many = (
        captured.graph.type_of(value_of(node_of(captured, "quantized.conv2d_relu.new"), "weight"))
        for captured in (traced(tmp_path, quantized(per_channel=per_channel)) for per_channel in (False, True))
    )

    assert isinstance(one, TensorType)
    assert isinstance(many, TensorType)
    assert one.dtype is many.dtype is ElementType.QINT8
    assert isinstance(one.quant, PerTensor)
    assert isinstance(many.quant, PerChannel)
    assert (len(many.quant.scales), many.quant.axis) == (4, 0)


def test_a_missing_bias_is_absent(module: nn.Module, tmp_path: Path) -> None:
    captured = traced(tmp_path, module)
    node = node_of(captured, "quantized.conv2d.new")

    bias = node.argument("bias")

    assert not isinstance(bias, Ref) or torch.count_nonzero(captured.tensor(bias.value)) == 0


def test_every_quantized_op_is_told_by_the_same_names(module: nn.Module, tmp_path: Path) -> None:
    captured = traced(tmp_path, module)

    linear = node_of(captured, "quantized.linear.default")
    up = node_of(captured, "quantized.conv_transpose2d.default")

    assert list(linear.arguments) == ["input", "weight", "bias", "output_scale", "output_zero_point"]
    assert up.argument("stride") == (2, 1)
    assert up.argument("output_padding") == (0, 0)
    assert node_of(captured, "aten.quantize_per_tensor.default").argument("dtype") == "quint8"


def test_scripted_and_traced_files_give_the_same_ops(module: nn.Module, tmp_path: Path) -> None:
    scripted = capture(scripted_file(tmp_path, module), [parse_input_spec("f32[1,3,7,9]")], weights=False)

    assert [node.op for node in scripted.graph.nodes()] == [node.op for node in traced(tmp_path, module).graph.nodes()]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("f32[1,3,1,9]", r"quantized\.linear.*an input of shape \(1, \d+\) does not fit a weight of shape \(5, 160\)"),
        ("f32[1,2,7,9]", r"quantized\.conv2d_relu.*\(1, 2, 7, 9\) does not fit a weight of shape \(4, 3, 3, 2\)"),
    ],
)
def test_inputs_that_a_quantized_op_cannot_take_are_refused(
    shape: str, words: str, module: nn.Module, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"The model fails with .*{words}; pass inputs of shapes that it accepts"):
        capture(scripted_file(tmp_path, module), [parse_input_spec(shape)], weights=False)


def test_a_quantized_input_is_taken(tmp_path: Path) -> None:
    captured = capture(scripted_file(tmp_path, nn.ReLU()), [parse_input_spec("quint8(0.5,3)[2,5]")], weights=False)

    kind = captured.graph.type_of(captured.graph.body.outputs[0])

    assert kind == TensorType(ElementType.QUINT8, (2, 5), PerTensor(0.5, 3))
    assert captured.example_inputs[0].q_scale() == 0.5


class Reads(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = torch.quantize_per_tensor(x, 0.5, 3, torch.quint8)
        return x + float(q.dequantize().sum()) + q.q_scale()


def test_elements_of_a_quantized_tensor_decide_nothing(tmp_path: Path) -> None:
    captured = capture(scripted_file(tmp_path, Reads()), [parse_input_spec("f32[2,5]")], weights=False)

    first, second = [node.argument("other") for node in captured.graph.nodes() if node.op == "aten.add.Scalar"]

    assert not isinstance(first, float)
    assert second == 0.5


@pytest.mark.skipif("fbgemm" not in torch.backends.quantized.supported_engines, reason="needs the engine fbgemm")
def test_large_weights_per_channel_are_read_from_a_module_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.quantized, "engine", "fbgemm")
    module = nn.Sequential(quantization.QuantStub(), nn.Conv2d(64, 128, 3), quantization.DeQuantStub()).eval()
    weights = quantization.default_per_channel_weight_observer
    module.__dict__["qconfig"] = make_config(activation=quantization.HistogramObserver, weight=weights)
    prepare(module, inplace=True)
    x = torch.randn(1, 64, 5, 5)
    module(x)

    captured = capture(convert(module), [x], weights=True)

    assert "quantized.conv2d.new" in {node.op for node in captured.graph.nodes()}


class Between(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0)


def test_what_only_the_engine_of_phones_refuses_is_told_so(tmp_path: Path) -> None:
    given = parse_input_spec("quint8(0.5,3)[2,5]")

    with (
        quantized_as_on_phones(),
        pytest.raises(InputError, match=r"clamp; phones .* QNNPACK, which refuses this call"),
    ):
        capture(scripted_file(tmp_path, Between()), [given], weights=False)

    assert torch.backends.quantized.engine != "none"


@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8])
def test_a_traced_file_tells_how_its_inputs_are_quantized(dtype: torch.dtype, tmp_path: Path) -> None:
    x = torch.quantize_per_tensor(torch.randn(2, 5), 0.5, 3, dtype)

    graph = capture(traced_file(tmp_path, nn.ReLU(), x), None, weights=False).graph

    assert graph.type_of(graph.body.inputs[0]) == tensor_type(x)
