import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.utils import bundled_inputs

import nnapi_check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, GraphInput, TensorType
from nnapi_check.analyzer.inputs.specification import InputSpec, parse_input_spec
from tests.analyzer.torch_models import Small, ops, output_types, scripted_file, traced_file


def specs(*texts: str) -> list[InputSpec]:
    return [parse_input_spec(text) for text in texts]


class Two(nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first * 2 + second


class Optional(nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, scale: float = 2.0) -> torch.Tensor:
        return x * scale if mask is None else x * mask


class Lists(nn.Module):
    def forward(self, xs: list[torch.Tensor], pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return torch.cat(xs, 1) + pair[0] - pair[1]


class Number(nn.Module):
    def forward(self, x: torch.Tensor, times: int) -> torch.Tensor:
        return x * times


def test_types_come_from_the_inputs_a_trace_keeps(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Two(), torch.rand(2, 3), torch.ones(3, dtype=torch.float64))

    captured = capture(path, None, weights=False)

    assert captured.input_types == (TensorType(ElementType.FLOAT32, (2, 3)), TensorType(ElementType.FLOAT64, (3,)))
    assert captured.graph.values[1].origin == GraphInput(1, "second")


def test_types_come_from_bundled_inputs(tmp_path: Path) -> None:
    path = tmp_path / "bundled.pt"
    module = torch.jit.script(Small().eval())
    bundled_inputs.augment_model_with_bundled_inputs(module, [(torch.zeros(1).expand(2, 3, 7, 9),)])
    torch.jit.save(module, str(path))

    assert capture(path, None, weights=False).input_types == (TensorType(ElementType.FLOAT32, (2, 3, 7, 9)),)
    assert capture(path, None, weights=True).example_inputs[0].shape == (2, 3, 7, 9)


def test_missing_inputs_are_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        capture(scripted_file(tmp_path, Two()), None, weights=False)

    assert "--input 'first=f32[1,3,224,224]' --input 'second=f32[1,3,224,224]'" in str(error.value)


def test_inputs_are_given_by_name_in_any_order(tmp_path: Path) -> None:
    path = scripted_file(tmp_path, Two())

    captured = capture(path, specs("second=f32[3]", "first=f32[2,3]"), weights=False)

    assert [kind.shape for kind in captured.input_types] == [(2, 3), (3,)]


def test_a_wrong_number_of_inputs_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="number of inputs is 2 \\(first, second\\), but 1 is given"):
        capture(scripted_file(tmp_path, Two()), specs("f32[2,3]"), weights=False)


def test_shapes_that_the_model_cannot_take_are_told(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))

    with pytest.raises(InputError, match=r"fails with input x=f32\[1,5,7,9\].*at first .*expected .* 3 channels"):
        capture(path, specs("f32[1,5,7,9]"), weights=False)


class Strict(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.size(1) != 3:
            raise ValueError("three channels, please")
        return x + 1


def test_shapes_that_the_model_refuses_are_told(tmp_path: Path) -> None:
    path = scripted_file(tmp_path, Strict())

    assert len(list(capture(path, specs("f32[1,3]"), weights=False).graph.nodes())) == 1
    with pytest.raises(InputError, match=r"refuses input x=f32\[1,4\].*three channels, please"):
        capture(path, specs("f32[1,4]"), weights=False)


def test_an_optional_input_may_be_left_out(tmp_path: Path) -> None:
    captured = capture(scripted_file(tmp_path, Optional()), specs("f32[2,3]"), weights=False)

    (node,) = captured.graph.nodes()
    assert (node.op, node.argument("other")) == ("aten.mul.Scalar", 2.0)


def test_an_optional_input_may_be_given(tmp_path: Path) -> None:
    captured = capture(scripted_file(tmp_path, Optional()), specs("f32[2,3]", "f32[3]"), weights=False)

    (node,) = captured.graph.nodes()
    assert node.op == "aten.mul.Tensor"


def test_lists_and_tuples_of_tensors_are_inputs(tmp_path: Path) -> None:
    module = Lists().eval()
    captured = capture(
        scripted_file(tmp_path, module), specs("f32[2,3]", "f32[2,5]", "f32[2,8]", "f32[2,1]"), weights=True
    )

    arguments = captured.input_layout.arguments(captured.example_inputs)

    assert captured.input_layout.names == ("xs.0", "xs.1", "pair.0", "pair.1")
    assert module(*arguments).shape == (2, 8)
    assert captured.graph.type_of(captured.graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (2, 8))


def test_a_number_without_default_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pass --input 'x=f32\[1,3,224,224\]' --input 'times=int:1'"):
        capture(scripted_file(tmp_path, Number()), specs("f32[2,3]"), weights=False)


def test_a_number_is_given_by_name_or_as_it_is(tmp_path: Path) -> None:
    path = scripted_file(tmp_path, Number())

    for inputs in (["f32[2,3]", "times=int:5"], [torch.rand(2, 3), 5], {"times": 5, "x": "f32[2,3]"}):
        captured = capture(path, inputs, weights=False)

        (node,) = captured.graph.nodes()
        assert node.argument("other") == 5


class Point(NamedTuple):
    near: torch.Tensor
    far: torch.Tensor


class Nested(nn.Module):
    def forward(
        self, table: dict[str, list[torch.Tensor]], point: Point, pairs: list[tuple[torch.Tensor, int]]
    ) -> torch.Tensor:
        total = table["all"][0] + point.far
        return total + pairs[0][0] * pairs[0][1]


NESTED_SPECS = (
    *("table.all.0=f32[2,3]", "table.all.1=f32[3]", "point.near=f32[1]", "point.far=f32[2,1]"),
    *("pairs.0.0=f32[3]", "pairs.0.1=int:4"),
)


@pytest.mark.parametrize(
    "inputs",
    [
        NESTED_SPECS,
        [{"all": ["f32[2,3]", "f32[3]"]}, ("f32[1]", "f32[2,1]"), [("f32[3]", 4)]],
        [{"all": [torch.rand(2, 3), torch.rand(3)]}, Point(torch.rand(1), torch.rand(2, 1)), [(torch.rand(3), 4)]],
    ],
    ids=["names", "nested specifications", "tensors"],
)
def test_inputs_are_nested_as_the_model_takes_them(inputs: Sequence[object], tmp_path: Path) -> None:
    captured = capture(scripted_file(tmp_path, Nested()), inputs, weights=False)

    assert captured.input_layout.names == ("table.all.0", "table.all.1", "point.near", "point.far", "pairs.0.0")
    assert ops(captured) == ["aten.add.Tensor", "aten.mul.Scalar", "aten.add.Tensor"]
    assert output_types(captured) == [TensorType(ElementType.FLOAT32, (2, 3))]


def test_options_for_nested_inputs_name_their_parts(tmp_path: Path) -> None:
    shape = "f32[1,3,224,224]"
    with pytest.raises(InputError) as error:
        capture(scripted_file(tmp_path, Nested()), None, weights=False)

    names = ("table.KEY.0", "point.near", "point.far", "pairs.0.0")
    assert " ".join(f"--input '{name}={shape}'" for name in names) + " --input 'pairs.0.1=int:1'" in str(error.value)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([5, 6], "Input 'x' of the model must be a tensor, but int is given; pass --input 'x=f32"),
        (
            ["f32[2,3]", 1.5],
            "'times' of the model must be of type int, but float is given; pass --input 'times=int:1'",
        ),
        (["f32[2,3]", "times=int:x"], "'x' is no int"),
        ({"x": "f32[2,3]", "times": 1, "y": 2}, "no input 'y'; its inputs are x, times"),
    ],
)
def test_an_input_of_another_kind_is_told(inputs: Sequence[object], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        capture(scripted_file(tmp_path, Number()), inputs, weights=False)


class WithState(nn.Module):
    def forward(self, x: torch.Tensor, state: torch.Tensor = torch.zeros(3)) -> torch.Tensor:  # noqa: B008
        return torch.relu(x) + state


def test_a_tensor_that_is_a_default_is_an_input_all_the_same(tmp_path: Path) -> None:
    captured = capture(scripted_file(tmp_path, WithState()), specs("f32[2,3]"), weights=True)

    assert [kind.shape for kind in captured.input_types] == [(2, 3), (3,)]
    assert captured.example_inputs[1].tolist() == [0, 0, 0]


class Color(Enum):
    RED = 1
    BLUE = 2


class WithPlainDefaults(nn.Module):
    def forward(
        self,
        x: torch.Tensor,
        factor: complex = 1 + 2j,
        pair: tuple[int, complex] = (1, 2j),
        dtype: torch.dtype = torch.float32,
        perhaps: torch.dtype | None = torch.float32,
        device: torch.device = torch.device("cpu"),  # noqa: B008
    ) -> torch.Tensor:
        if factor != 1 + 2j or pair[1] != 2j:
            return torch.sigmoid(x)
        return torch.relu(x).to(dtype) + torch.ones(3, dtype=perhaps, device=device)


class WithAColor(nn.Module):
    def forward(self, x: torch.Tensor, color: Color = Color.RED) -> torch.Tensor:
        return torch.relu(x) if color == Color.RED else torch.sigmoid(x)


def test_default_of_any_plain_type_that_nobody_overrides_is_the_default(tmp_path: Path) -> None:
    x = torch.tensor([[-1.0, 2.0, 3.0]])

    for model in (scripted_file(tmp_path, WithPlainDefaults()), WithPlainDefaults()):
        report = nnapi_check.convert(model, tmp_path / "made.pt", [x], feature_level=4)

        assert report.verification is not None
        assert report.verification.is_within_tolerance
        assert "aten.sigmoid.default" not in {node.op for node in report.nodes}
    assert nnapi_check.verify(tmp_path / "made.pt", WithPlainDefaults(), [x]).is_within_tolerance


def test_element_type_is_given_as_python_has_it(tmp_path: Path) -> None:
    captured = capture(
        scripted_file(tmp_path, WithPlainDefaults()), {"x": "f32[2,3]", "dtype": torch.float64}, weights=False
    )

    assert captured.graph.type_of(captured.graph.body.outputs[0]) == TensorType(ElementType.FLOAT64, (2, 3))


def test_default_of_a_class_of_the_model_s_own_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"Input 'color' of the model is of type __torch__\..*Color, which a converted"
    ):
        capture(scripted_file(tmp_path, WithAColor()), specs("f32[2,3]"), weights=False)
