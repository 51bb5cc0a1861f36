"""Reshapes that give a tensor a shape back are no operations, wherever they stand."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnapi_check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Block, Graph
from nnapi_check.analyzer.rewrites.driver import rewrite
from nnapi_check.analyzer.rewrites.invariants import broken
from nnapi_check.analyzer.rewrites.rewrite import shipped_ops
from nnapi_check.analyzer.rewrites.undone_reshapes import UNCHANGED
from nnapi_check.analyzer.torchscript import trace
from nnapi_check.coverage_db.queries import open_registry
from tests.lowering.whole_graphs import runs

Function = Callable[[torch.Tensor], object]
X = torch.rand(2, 6, 4)


class Called(torch.nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> object:
        return self.function(x)


def ops(function: Function, x: torch.Tensor) -> list[str]:
    graph: Graph = capture(trace(Called(function), [x]), [x], weights=False).graph
    return [node.op for node in graph.nodes()]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.unsqueeze(1).squeeze(1),
        lambda x: x.view(12, 4).view(2, 6, 4),
        lambda x: x.flatten().reshape(3, 16).unflatten(0, (3, 1)).view(2, 6, 4),
        lambda x: x.unsqueeze(0).unsqueeze(2).squeeze(2).squeeze(0),
    ],
    ids=["squeeze", "view", "four", "nested"],
)
def test_a_shape_that_comes_back_is_the_tensor_itself(function: Function) -> None:
    def passed_on(x: torch.Tensor) -> torch.Tensor:
        given = function(x.neg())
        assert isinstance(given, torch.Tensor)
        return torch.relu(given)

    assert ops(passed_on, X) == ["aten.neg.default", UNCHANGED, "aten.relu.default"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.view(12, 4).view(6, 2, 4),
        lambda x: x.view(12, 4).t().reshape(2, 6, 4),
        lambda x: torch.relu(x.view(12, 4)).view(2, 6, 4),
        lambda x: x.view(2, 6, 4),
    ],
    ids=["another shape", "permuted", "computed", "unchanged at once"],
)
def test_other_shapes_and_orders_stay(function: Function) -> None:
    assert UNCHANGED not in ops(function, X)


def test_a_mask_of_whole_numbers_gets_its_shape_back_below_the_level_that_reshapes_them() -> None:
    class Masked(torch.nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            wide = mask.unsqueeze(1).unsqueeze(2)
            both = wide.squeeze(-2).unsqueeze(-1) * wide
            return torch.softmax(x.masked_fill(both == 0, -100.0), -1)

    mask = torch.ones(1, 5, dtype=torch.int64)
    mask[0, 3:] = 0
    report = nnapi_check.check(Masked().eval(), [torch.rand(1, 2, 5, 5), mask], feature_level=4)

    assert (report.readiness, len(report.parts)) == ("ready", 1)


def test_what_is_the_middle_of_one_node_is_not_read() -> None:
    def there_and_back(x: torch.Tensor) -> torch.Tensor:
        return x.neg().view(2, 3, 2, 2, 2).view(2, 6, 4).view(2, 3, 2, 2, 2)

    found = capture(trace(Called(there_and_back), [X]), [X], weights=False)
    body = found.graph.body
    before = replace(found.graph, body=Block(body.inputs, found.calls, body.outputs))
    after = rewrite(before, shipped_ops())

    assert [applied.rewrite.name for applied in after.applied] == ["rearranged-run"]
    assert list(broken(before, after)) == []


def test_a_long_chain_takes_a_time_that_grows_with_it() -> None:
    def chain(x: torch.Tensor) -> torch.Tensor:
        for rows in range(1, 25):
            x = x.reshape(1, *[1] * (rows % 2), 48)
        return x.reshape(2, 6, 4)

    assert ops(chain, X)[-1] == "aten.reshape.default"


_SHAPES = [(2, 6, 4), (12, 4), (48,), (2, 2, 3, 4), (6, 8), (1, 2, 6, 4), (2, 1, 24), (3, 4, 4), (2, 3, 2, 2, 2)]
_MOVES = st.sampled_from([*_SHAPES, "swap", "relu"])


@given(moves=st.lists(_MOVES, min_size=2, max_size=7), kept=st.lists(st.integers(0, 6), max_size=2))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_chain_of_moves_gives_what_pytorch_does(moves: list[tuple[int, ...] | str], kept: list[int]) -> None:
    def moved(x: torch.Tensor) -> object:
        steps = [torch.neg(x)]
        for move in moves:
            last = steps[-1]
            if move == "relu":
                steps.append(torch.relu(last + 0.5))
            elif isinstance(move, str):
                steps.append(last.transpose(0, -1))
            else:
                assert prod(move) == last.numel()
                steps.append(last.reshape(move))
        # What stands in the middle is read elsewhere as well.
        return (steps[-1], *(torch.tanh(steps[place]) for place in kept if place < len(steps)))

    found = runs(moved, [torch.randn(2, 6, 4)], open_registry())

    assert [run.differences for run in found.values() if run.differences] == []
