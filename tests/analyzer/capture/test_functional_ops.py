"""In-place ops and the ops that stand for them."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnapi_check import registry
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.capture.functional_ops import functional_of
from nnapi_check.analyzer.capture.spellings import op_name
from nnapi_check.analyzer.graph import DynamicType, ElementType, TensorType
from nnapi_check.analyzer.ops.calls import operation_of
from nnapi_check.coverage_db.cards import Card
from tests.analyzer.torch_models import computed_types, node_of, ops, output_types

IN_PLACE = [card for card in registry().cards() if card.family == "in_place"]


@pytest.mark.parametrize("card", IN_PLACE, ids=lambda card: card.op)
def test_card_of_an_in_place_op_names_the_op_that_reading_puts_in_its_place(card: Card) -> None:
    space, name, overload = card.op.split(".")
    schemas = torch._C._jit_get_schemas_for_operator(f"{space}::{name}")
    (schema,) = [str(schema) for schema in schemas if (schema.overload_name or "default") == overload]

    functional = functional_of(operation_of(schema))

    assert functional is not None
    assert card.becomes == (op_name(functional),)


class Overwriting(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 2).pow_(3).relu_()


def test_in_place_op_whose_overload_has_another_name_is_replaced() -> None:
    graph = capture(Overwriting(), [torch.rand(2, 3)], weights=False).graph

    assert [node.op for node in graph.nodes()] == ["aten.mul.Tensor", "aten.pow.Tensor_Scalar", "aten.relu.default"]


class InPlace(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.add_(1.0)
        z = functional.relu(y, inplace=True)
        first, second = z.chunk(2, 1)
        return torch.cat([second, first], 1)


def test_in_place_ops_become_functional(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(InPlace(), "f32[2,4,5]", weights=True)

    assert ops(captured)[:3] == ["aten.mul.Scalar", "aten.add.Scalar", "aten.relu.default"]
    assert computed_types(captured)
    x = torch.randn(2, 4, 5)
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    assert torch.equal(run(captured.module, x.clone()), InPlace()(x))


class SeenLater(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = x * 2
        view = y.view(-1)
        y.add_(1.0)
        return y, view * 3


def test_an_in_place_op_stays_where_a_view_is_read_later(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(SeenLater(), "f32[2,3]")

    write = node_of(captured, "aten.add_.Scalar")
    last = list(captured.graph.nodes())[-1]

    assert set(last.inputs()) <= set(write.outputs)
    assert isinstance(captured.graph.type_of(write.outputs[0]), DynamicType)
    x = torch.randn(2, 3)
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    assert [torch.equal(a, b) for a, b in zip(run(captured.module, x), SeenLater()(x), strict=True)] == [True, True]


class WritesAView(nn.Module):
    """Its views are read after they were written to."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y = torch.zeros(2, 3)
        row = y[0]
        row.copy_(torch.tensor(4.0))
        z = torch.ones(2, 3)
        column = z[:, 0]
        column.copy_(x.sum(1))
        return y + z, row, column


def test_readers_of_a_written_tensor_depend_on_the_write(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(WritesAView(), "f32[2,5]", weights=True)

    constant, run_time = [node for node in captured.graph.nodes() if node.op == "aten.copy_.default"]
    add = node_of(captured, "aten.add.Tensor")

    assert constant.is_constant
    assert not run_time.is_constant
    y, z = add.inputs()
    assert y in constant.outputs
    assert z in run_time.outputs
    assert torch.equal(captured.tensor(y), torch.tensor([[4.0, 4.0, 4.0], [0.0, 0.0, 0.0]]))
    assert output_types(captured)[0] == TensorType(ElementType.FLOAT32, (2, 3))


class ViewWrites(nn.Module):
    """Every way in which a view is taken, written to and not read again."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        a = torch.zeros(4, 6)
        a[:, 1:] = x[:, 1:]
        a[:, ::2] += 1.0
        a[-1] = 0.5
        b = x * 2
        b.transpose(0, 1)[1].mul_(3.0)
        b.narrow(1, -2, 2).relu_()
        b[0, 1] -= b.mean()
        c = x.clone()
        c.view(-1)[2:5].zero_()
        c.unsqueeze(0).select(2, 3).clamp_(-0.5, 0.5)
        d = x + 1
        d.view(2, 12)[:, -1].div_(2.0)
        d[1:3, 2:4] = d[0:2, 0:2].clone()
        return a, b, c, d.t()


@pytest.mark.parametrize("is_traced", [False, True])
def test_writes_to_views_that_nothing_reads_again_become_functional(is_traced: bool) -> None:
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
    x = torch.randn(4, 6)
    module = trace(ViewWrites(), x.clone()) if is_traced else script(ViewWrites())

    captured = capture(module, [x], weights=True)

    assert [op for op in ops(captured) if op.split(".")[1].endswith("_")] == []
    assert [str(found) for found in output_types(captured) if isinstance(found, DynamicType)] == []
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    for draw in (x, torch.randn(4, 6)):
        found, wanted = run(captured.module, draw.clone()), ViewWrites()(draw)
        assert [torch.equal(left, right) for left, right in zip(found, wanted, strict=True)] == [True] * 4


class MayCopy(nn.Module):
    """Flattening copies here, for the strides are those of another order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.swapaxes(x, 0, 1) / 0.7 + 0.5
        y.flatten().add_(1.0)
        return y


def test_a_write_to_what_may_be_a_copy_stays_as_it_is(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(MayCopy(), "f32[3,4,2,5]", weights=True)

    x = torch.randn(3, 4, 2, 5)
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    assert torch.equal(run(captured.module, x), MayCopy()(x))


class WrittenTwice(nn.Module):
    """What a write returned is read after another one."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = x * 2
        first = y[0].add_(1.0)
        y[:, 1] = 7.0
        return y, first * 2


def test_a_write_stays_in_place_where_what_it_returned_is_read_after_another(
    captured_of: Callable[..., Captured],
) -> None:
    captured = captured_of(WrittenTwice(), "f32[2,3]", weights=True)

    assert "aten.add_.Scalar" in ops(captured)
    x = torch.randn(2, 3)
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    pairs = zip(run(captured.module, x), WrittenTwice()(x), strict=True)
    assert [torch.equal(left, right) for left, right in pairs] == [True, True]


class Accumulates(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x * 1
        result = x * 1
        for _ in range(int(x.max())):
            total.add_(1.0)
            result = result + total
        return result


def test_a_write_that_the_next_turn_reads_is_carried_there(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Accumulates(), "f32[2,3]", weights=True)

    assert "aten.add_.Scalar" not in ops(captured)
    x = torch.full((2, 3), 3.0)
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    assert torch.equal(run(captured.module, x.clone()), Accumulates()(x))
