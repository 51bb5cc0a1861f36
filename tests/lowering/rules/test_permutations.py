"""Permutations beside layout changes: both become one TRANSPOSE, or none where they cancel out."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from nnapi_check.lowering.verification.part_run import run_part
from tests.tolerances import difference


class BetweenConvolutions(nn.Module):
    """Two convolutions, and what is done between them."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, (3, 2))
        self.between = between
        self.second = nn.Conv2d(5, 4, (2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.between(self.first(x)))  # type: ignore[no-any-return]  # modules are untyped


def lowered_and_equal(module: nn.Module, x: Tensor, level: int) -> LoweredPart:
    torch.manual_seed(5)
    captured = capture(module.eval(), [x], weights=True)
    registry = open_registry()
    found = survey(captured.graph, registry, replace(registry.target("pytorch-mobile"), lowest_level=1))
    (part,) = lower_plan(found, found.at(level), FactsByName(registry))
    computed = run_part(part, captured.graph, {part.part.inputs[0]: x}, captured.tensor).outputs
    (made,) = computed.values()
    assert difference(made, module(x).detach()) == ""
    return part


def permutations_cancel(x: Tensor) -> Tensor:
    return (x.permute(0, 2, 3, 1) * torch.arange(1.0, 6.0)).permute(0, 3, 1, 2)


def test_permutations_to_channels_last_and_back_cost_nothing() -> None:
    part = lowered_and_equal(BetweenConvolutions(permutations_cancel), torch.rand(2, 3, 8, 9), 2)

    assert part.transposes == 0
    assert part.level == 1


def test_a_single_permutation_is_one_transpose() -> None:
    module = BetweenConvolutions(lambda x: x.transpose(2, 3))

    assert lowered_and_equal(module, torch.rand(2, 3, 8, 9), 2).transposes == 1


@pytest.mark.parametrize("level", [2, 3])
def test_a_permutation_of_a_graph_input_may_be_free(level: int) -> None:
    module = nn.Sequential()
    module.append(BetweenConvolutions(nn.Identity()))

    class ChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.permute(0, 3, 1, 2))  # type: ignore[no-any-return]  # modules are untyped

    assert lowered_and_equal(ChannelsLast(), torch.rand(2, 8, 9, 3), level).transposes == 0


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(4)), st.permutations(range(4)))
def test_any_two_permutations_compute_the_same(first: list[int], second: list[int]) -> None:
    back = [first.index(axis) for axis in range(4)]

    def between(x: Tensor) -> Tensor:
        moved = x.permute(first).permute(second)
        return torch.relu(moved).permute([second.index(axis) for axis in range(4)]).permute(back)

    lowered_and_equal(BetweenConvolutions(between), torch.rand(2, 3, 8, 9), 2)
