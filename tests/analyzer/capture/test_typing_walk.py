"""What the walk over a TorchScript graph finds: types, constants, lists and control flow."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import (
    DynamicType,
    ElementType,
    OtherType,
    Ref,
    RefList,
    TensorType,
    Unknown,
)
from tests.analyzer.judging.written_programs import captured_program
from tests.analyzer.torch_models import node_of, ops, output_types

F32 = ElementType.FLOAT32


class Shapes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.size(2) > 4:
            x = x[:, :, :4]
        n, c = x.shape[:2]
        sizes = [n]
        for extent in x.shape[2:]:
            sizes.append(extent)
        y = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return y.reshape(n, c * 2, -1) * float(len(sizes))


def test_arithmetic_on_shapes_is_carried_out(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Shapes(), "f32[2,3,7,9]", weights=True)

    assert ops(captured) == [
        *["aten.slice.Tensor"] * 3,
        "aten.upsample_bilinear2d.vec",
        "aten.reshape.default",
        "aten.mul.Scalar",
    ]
    assert node_of(captured, "aten.reshape.default").argument("shape") == (2, 6, -1)
    assert node_of(captured, "aten.mul.Scalar").argument("other") == 3.0
    assert output_types(captured) == [TensorType(F32, (2, 6, 72))]


def test_a_condition_that_shapes_decide_makes_way_for_its_branch(captured_of: Callable[..., Captured]) -> None:
    wide, narrow = captured_of(Shapes(), "f32[2,3,7,9]"), captured_of(Shapes(), "f32[2,3,4,9]")

    assert "aten.slice.Tensor" not in ops(narrow)
    assert "aten.slice.Tensor" in ops(wide)
    for captured in (wide, narrow):
        assert "prim::If" not in str(captured.torch_graph)
        assert "prim::If" in str(captured.original)


class Lists(nn.Module):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        parts = list(torch.split(x, [1, 2], 1))
        parts.append(x)
        parts[0] = parts[0] * 2
        table = {"all": torch.cat(parts, 1)}
        first, second = x.unbind(0)
        return [table["all"], parts[-1], first, second]


def test_lists_of_tensors_are_taken_apart(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Lists(), "f32[2,3]")

    split = next(captured.graph.nodes())
    mul, cat = node_of(captured, "aten.mul.Scalar"), node_of(captured, "aten.cat.default")

    assert [captured.graph.type_of(value) for value in split.outputs] == [
        TensorType(F32, (2, 1)),
        TensorType(F32, (2, 2)),
    ]
    assert mul.argument("self") == Ref(split.outputs[0])
    assert cat.argument("tensors") == RefList((mul.outputs[0], split.outputs[1], 0))
    assert output_types(captured) == [
        TensorType(F32, (2, 6)),
        TensorType(F32, (2, 3)),
        TensorType(F32, (3,)),
        TensorType(F32, (3,)),
    ]


class Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 2 if bool(x.sum() > 0) else torch.relu(x)
        for i in range(int(x.max())):
            y = torch.tanh(y) + i
        return y


def test_control_flow_becomes_nodes_with_typed_blocks(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Branches(), "f32[2,3]")
    branch, loop = node_of(captured, "prim.If"), node_of(captured, "prim.Loop")

    assert [[node.op for node in block.nodes] for block in branch.blocks] == [
        ["aten.mul.Scalar"],
        ["aten.relu.default"],
    ]
    (body,) = loop.blocks
    assert [node.op for node in body.nodes] == ["aten.tanh.default", "aten.add.Scalar"]
    assert captured.graph.type_of(body.inputs[1]) == TensorType(F32, (2, 3))
    assert output_types(captured) == [TensorType(F32, (2, 3))]
    condition = branch.argument("condition")
    assert isinstance(condition, Unknown)
    assert isinstance(captured.graph.type_of(condition.values[0]), OtherType)
    assert condition.values[0] in set(branch.inputs())


class Grows(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(int(x.sum())):
            x = torch.cat([x, x], 0)
        return torch.relu(x)


def test_a_shape_that_a_loop_changes_is_not_known(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Grows(), "f32[2,3]")

    (kind,) = output_types(captured)

    assert isinstance(kind, DynamicType)
    assert ops(captured)[-1] == "aten.relu.default"


class Counts(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.nonzero() + 1


def test_a_shape_that_elements_decide_is_not_known(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Counts(), "f32[2,3]")

    assert ops(captured) == ["aten.nonzero.default", "aten.add.Scalar"]
    assert all(isinstance(captured.graph.type_of(node.outputs[0]), DynamicType) for node in captured.graph.nodes())


class Random(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(2, 3)


def test_a_random_tensor_is_no_constant(captured_of: Callable[..., Captured]) -> None:
    assert not node_of(captured_of(Random(), "f32[2,3]"), "aten.rand.default").is_constant


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.index = torch.tensor([2, 0, 1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        offsets = torch.arange(x.size(1)).to(x.dtype) * 0.5
        return x[:, self.index] + offsets + x.new_ones(x.size(0), 1) * 4


def test_constants_are_computed_from_shapes_and_literals(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Masked(), "f32[2,3]", weights=True)

    inner, _ = [node for node in captured.graph.nodes() if node.op == "aten.add.Tensor" and not node.is_constant]
    _, offsets = inner.inputs()

    assert captured.graph.values[offsets].is_constant
    assert torch.equal(captured.tensor(offsets), torch.tensor([0.0, 0.5, 1.0]))
    ones = node_of(captured, "aten.new_ones.default").outputs[0]
    assert torch.equal(captured.tensor(ones), torch.ones(2, 1))


class Folded(nn.Module):
    """Two large constants that are equal, and one value taken of each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.ones(700)
        self.second = torch.ones(700)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.first[3] + self.second[4] + self.first[:3] + self.second[:3]


def test_equal_constants_stay_apart_whether_or_not_they_are_read(captured_of: Callable[..., Captured]) -> None:
    light, full = captured_of(Folded(), "f32[2,3]"), captured_of(Folded(), "f32[2,3]", weights=True)

    assert light.graph == full.graph
    added = [node.argument("other") for node in light.graph.nodes() if node.op == "aten.add.Tensor"]
    assert len(set(added)) == 4


class Padded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.exact = nn.Conv2d(3, 4, (3, 5), padding="same", dilation=(1, 2))
        self.uneven = nn.Conv2d(4, 4, (2, 3), padding="same")
        self.pool = nn.AvgPool2d((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.pool(self.uneven(self.exact(x)))
        return result


def test_padding_by_name_becomes_numbers_where_these_say_the_same(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Padded(), "f32[2,3,7,9]")
    exact, uneven, pool = captured.graph.nodes()

    assert (exact.op, exact.argument("padding")) == ("aten.conv2d.default", (1, 4))
    assert (uneven.op, uneven.argument("padding")) == ("aten.conv2d.padding", "same")
    assert (pool.op, pool.argument("stride")) == ("aten.avg_pool2d.default", (2, 3))


class Casts(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(torch.float64).contiguous(memory_format=torch.channels_last).sum(dtype=torch.float16)


def test_enumerations_are_spelled_out(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Casts(), "f32[2,3,7,9]")
    to, contiguous, total = captured.graph.nodes()

    assert to.argument("dtype") == "f64"
    assert contiguous.argument("memory_format") == "channels_last"
    assert total.argument("dtype") == "f16"
    assert output_types(captured) == [TensorType(ElementType.FLOAT16, ())]


class Remembers(nn.Module):
    """Sets an attribute of its own, so that its value is known in a run only."""

    count: int

    def __init__(self) -> None:
        super().__init__()
        self.count = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count = self.count + int(x.max())
        return x * self.count


def test_an_attribute_that_the_model_sets_is_not_known(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Remembers(), "f32[2,3]")

    times = node_of(captured, "aten.mul.Scalar").argument("other")

    assert isinstance(times, Unknown)
    assert "prim.SetAttr" in ops(captured)
    assert output_types(captured) == [TensorType(F32, (2, 3))]


class ResizedByItsShape(nn.Module):
    """A traced size: what it is computed from is a tensor that holds the shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = torch._shape_as_tensor(x)[-2:]
        scale = 12.0 / float(shape.min())
        return functional.interpolate(x, scale_factor=scale, recompute_scale_factor=True)


def test_a_tensor_that_holds_a_shape_is_constant(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(ResizedByItsShape(), "f32[1,2,6,9]")

    assert output_types(captured) == [TensorType(F32, (1, 2, 12, 18))]


class ExpandedLikeItsInput(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.arange(3).unsqueeze(1).expand_as(x).type_as(x)
        return x + places


def test_a_constant_that_takes_the_form_of_a_tensor_stays_constant(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(ExpandedLikeItsInput(), "f32[3,5]")

    assert [node.op for node in captured.graph.nodes() if not node.is_constant] == ["aten.add.Tensor"]


class Keeps(nn.Module):
    """Keeps a list in an attribute between two steps."""

    parts: list[torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.parts = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.parts = [x]
        self.parts.append(x * 2)
        return torch.cat(self.parts, 1)


def test_an_attribute_is_known_after_the_model_set_it(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Keeps(), "f32[2,3]")

    assert ops(captured) == ["prim.SetAttr", "aten.mul.Scalar", "aten.cat.default"]
    assert output_types(captured) == [TensorType(F32, (2, 6))]


class Asks(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        same = x is y
        if same or x.dtype != torch.float32 or x.device.type != "cpu" or x.is_cuda or x.requires_grad:
            return torch.relu(x)
        return x + y


def test_questions_about_types_are_answered(captured_of: Callable[..., Captured]) -> None:
    assert ops(captured_of(Asks(), "f32[2,3]", "f32[2,3]")) == ["aten.add.Tensor"]
    assert ops(captured_of(Asks(), "f64[2,3]", "f64[2,3]")) == ["aten.relu.default"]


class AsksOfViews(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        first, second, third = x.unsqueeze(1), x.unsqueeze(-2), x.contiguous()
        if first is second:
            return torch.relu(x)
        if first.select(1, 0) is third:
            return torch.sigmoid(x)
        return torch.tanh(x)


def test_two_views_are_two_tensors_and_what_may_be_the_tensor_itself_is_not_known(
    captured_of: Callable[..., Captured],
) -> None:
    found = ops(captured_of(AsksOfViews(), "f32[2,3]", "f32[2,3]"))

    assert "aten.relu.default" not in found
    assert "aten.sigmoid.default" in found
    assert "aten.tanh.default" in found


class WritesPieces(nn.Module):
    def __init__(self, read: str) -> None:
        super().__init__()
        self.read = read

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        whole = x * 2
        pieces = whole.chunk(3, 1)
        a, b, c = pieces
        a.add_(y).sigmoid_()
        c.mul_(b)
        if self.read == "the whole":
            return a + whole.sum()
        return pieces[0] + pieces[2] if self.read == "the list" else a + b + c


def test_piece_is_written_as_a_value_of_its_own_where_the_whole_is_read_no_more(
    captured_of: Callable[..., Captured],
) -> None:
    apart, *others = (
        captured_of(WritesPieces(read), "f32[2,9]", "f32[2,3]") for read in ("pieces", "the whole", "the list")
    )

    written = ["aten.add.Tensor", "aten.sigmoid.default", "aten.mul.Tensor"]
    assert ops(apart) == ["aten.mul.Scalar", "aten.chunk.default", *written, *["aten.add.Tensor"] * 2]
    for other in others:
        assert {"aten.add_.Tensor", "aten.mul_.Tensor"} <= set(ops(other))


class PicksChannels(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, torch.tensor([2, 0, 1])]


def test_a_folded_list_of_constants_is_a_list_of_values(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(PicksChannels(), "f32[1,3,6,9]")

    indices = node_of(captured, "aten.index.Tensor").arguments["indices"]

    assert isinstance(indices, RefList)
    (place, value) = indices.values
    assert place is None
    assert value is not None
    assert captured.graph.values[value].is_constant
    assert captured.graph.type_of(value) == TensorType(ElementType.INT64, (3,))


@pytest.mark.parametrize("other", ["y[1]", "y[int(n) - 1]", "y.narrow(0, int(n), 1)"])
def test_a_part_at_a_place_of_the_run_may_overlap_with_any_other(other: str) -> None:
    captured = captured_program(f"y = x * 2\na = y[int(n)]\nb = {other}\na.add_(1)\nreturn b * 3")

    assert "aten.add_.Scalar" in {node.op for node in captured.graph.nodes()}


def test_a_quantized_tensor_is_typed_beside_indices_and_masks_of_the_run() -> None:
    body = "q = torch.quantize_per_tensor(x, 0.1, 128, torch.quint8)\n"
    taken = "return q[n].dequantize(), q.index_select(0, n).dequantize()"
    captured = captured_program(body + taken, x="f32[5,7]", n="i64[3]")

    assert [captured.graph.type_of(value) for value in captured.graph.body.outputs] == [
        TensorType(ElementType.FLOAT32, (3, 7))
    ] * 2
