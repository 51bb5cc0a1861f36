"""Hard swish and hard sigmoid are found in what decompositions write for them, and nothing else is taken for them."""

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import hardsigmoid, hardswish, hardtanh, relu6

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Graph, Ref

Function = Callable[[torch.Tensor], object]
SWISH, SIGMOID = "aten.hardswish.default", "aten.hardsigmoid.default"


class Called(torch.nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> object:
        return self.function(x)


def rewritten(function: Function, x: torch.Tensor) -> Graph:
    program = torch.export.export(Called(function), (x,)).run_decompositions()
    return capture(program.module(), [x], weights=False).graph


def ops(function: Function) -> list[str]:
    return [node.op for node in rewritten(function, torch.rand(2, 3)).nodes()]


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (hardswish, SWISH),
        (lambda x: x * relu6(x + 3) / 6, SWISH),
        (lambda x: hardtanh(x + 3, 0.0, 6.0) * x / 6, SWISH),
        (hardsigmoid, SIGMOID),
        (lambda x: relu6(x + 3) / 6, SIGMOID),
    ],
)
def test_an_activation_is_one_node_again(function: Function, op: str) -> None:
    graph = rewritten(function, torch.rand(2, 3))

    (node,) = graph.nodes()

    assert node.op == op
    assert node.arguments == {"self": Ref(graph.body.inputs[0])}
    assert node.outputs == graph.body.outputs
    assert node.id == max(node.covers)


def test_both_are_found_beside_each_other() -> None:
    assert ops(lambda x: hardswish(hardsigmoid(x))) == [SIGMOID, SWISH]


def sum_is_read(x: torch.Tensor) -> object:
    shifted = x + 3
    return x * relu6(shifted) / 6, shifted


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * relu6(x + 2) / 6,
        lambda x: x * relu6(x + 3) / 5,
        lambda x: x * hardtanh(x + 3, 0.0, 5.0) / 6,
        lambda x: x * torch.relu(x + 3) / 6,
        lambda x: x * x * relu6(x + 3) / 6,
        lambda x: x * (x * relu6(x + 3)) / 6,
        lambda x: (x + 1) * relu6(x + 3) / 6,
        lambda x: relu6(x + 3) * 6,
        lambda x: relu6(x * relu6(x + 3)) / 6,
        sum_is_read,
    ],
)
def test_other_sums_and_bounds_stay(function: Function) -> None:
    assert not {SWISH, SIGMOID} & set(ops(function))
