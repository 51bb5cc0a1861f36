"""Programs that repeat or grow: followed where they are small, left to the run or refused where they are not."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture import control_flow
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.lowering.packaging.script_modules import define, new_module, wrapped
from tests.analyzer.torch_models import node_of, ops, output_types


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops are given up sooner, so that the tests are short."""
    monkeypatch.setattr(control_flow, "_MAX_STEPS", 1 << 12)


class LongSum(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = 0
        for a in range(700):
            for b in range(700):
                n = (n + a * b) % 7
        return torch.relu(x) + n


def test_a_loop_that_takes_long_to_follow_is_left_to_the_run(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(LongSum(), "f32[2,3]")

    assert ops(captured)[0] == "prim.Loop"
    assert len(output_types(captured)) == 1


class EndlessSum(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = 0
        for a in range(4000):
            for b in range(4000):
                for c in range(4000):
                    n = (n + a * b * c) % 7
        return torch.relu(x) + n


def test_loops_that_no_run_ends_are_refused(captured_of: Callable[..., Captured]) -> None:
    with pytest.raises(InputError, match=r"loop at .*takes [\d,]+ turns, which no device ends in time"):
        captured_of(EndlessSum(), "f32[2,3]")


class Halves(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(4):
            while float(x.sum()) > 1:
                x = x / 2
        return torch.relu(x)


def test_a_loop_that_a_condition_ends_has_no_known_number_of_turns(captured_of: Callable[..., Captured]) -> None:
    assert "prim.Loop" in ops(captured_of(Halves(), "f32[2,3]"))


class Grows(nn.Module):
    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = [x.size(0)] * (x.size(1) * self.times)
        return torch.relu(x) + len(made)


def test_a_list_that_no_memory_holds_is_refused(captured_of: Callable[..., Captured]) -> None:
    with pytest.raises(InputError, match="makes a list of 3,000,000,000 elements"):
        captured_of(Grows(10**9), "f32[2,3]")


@pytest.mark.parametrize(("times", "is_known"), [(1000, True), (10**6, False)])
def test_a_long_list_is_left_to_the_run(captured_of: Callable[..., Captured], times: int, is_known: bool) -> None:
    captured = captured_of(Grows(times), "f32[2,3]")

    assert ("aten.mul.left_t" not in ops(captured)) == is_known


class Doubles(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = [x.size(0)]
        for _ in range(x.size(1) * 20):
            made.extend(made)
        return torch.relu(x) + len(made)


def test_a_list_that_doubles_in_a_loop_is_left_to_the_run(captured_of: Callable[..., Captured]) -> None:
    assert "prim.Loop" in ops(captured_of(Doubles(), "f32[2,3]"))


def test_conditions_in_one_another_are_followed_to_a_depth() -> None:
    module = new_module("Deep")
    lines = [" " * (depth + 1) + f"if float(x.sum()) > {depth}:" for depth in range(80)]
    source = ["def forward(self, x: Tensor) -> Tensor:", *lines, " " * 82 + "x = x + 1", " return x", ""]
    define(module, "\n".join(source))

    with pytest.raises(InputError, match="lie in one another more than 64 deep"):
        capture(wrapped(module), [parse_input_spec("f32[2,3]")], weights=False)


class Reverses(nn.Module):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        parts = [x, torch.relu(x), torch.tanh(x)]
        parts.reverse()
        del parts[1]
        table = {"a": parts[0]}
        table.update({"b": parts[1]})
        return [table["a"], table["b"]]


def test_lists_and_dictionaries_are_changed_as_a_run_changes_them(captured_of: Callable[..., Captured]) -> None:
    captured = captured_of(Reverses(), "f32[2,3]")

    first, second = captured.graph.body.outputs
    assert first == node_of(captured, "aten.tanh.default").outputs[0]
    assert second == captured.graph.body.inputs[0]


class Sorts(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sizes = [3, x.size(0), 1]
        sizes.sort()
        return x * sizes[0]


def test_a_list_changed_by_an_op_that_is_not_followed_is_known_to_the_run_alone(
    captured_of: Callable[..., Captured],
) -> None:
    captured = captured_of(Sorts(), "f32[2,3]")

    assert "aten.__getitem__.t" in ops(captured)
