import math
from collections.abc import Callable

import pytest
import torch

from benchmarks.agreement import Disagreement
from benchmarks.draws import Draw
from benchmarks.promises import hold

Tensors = torch.Tensor | tuple[torch.Tensor, ...]


class Called(torch.nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], Tensors]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Tensors:
        return self.function(x)


def kinds(function: Callable[[torch.Tensor], Tensors], *tensors: torch.Tensor) -> set[str]:
    module = torch.jit.trace(Called(function), tensors)  # type: ignore[no-untyped-call]  # it has no types
    return {fault.kind.name for fault in hold(module, {Draw.SAMPLE: tensors}, (8,)).faults}


def test_places_of_equal_elements_may_have_another_order() -> None:
    x = torch.tensor([[0.0, 2.0, 1.0, 2.0, 2.0, 0.0, 1.0]])

    assert kinds(lambda x: x.topk(3), x) == set()


@pytest.mark.parametrize("odd", [2.0, math.nan, math.inf])
def test_equal_elements_of_a_row_excuse_no_places_of_another(odd: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([[odd, 2.0, 2.0, odd], [4.0, 2.0, 1.0, 3.0]])
    for row, found in ((0, set()), (1, {Disagreement.FINITE.name})):
        values, places = x.topk(2)
        places[row] = places[row].flip(0)
        monkeypatch.setattr(
            "benchmarks.promises.run_part",
            lambda lowered, *_, made=(values, places): _Run(dict(zip(lowered.part.outputs, made, strict=True))),
        )
        assert kinds(lambda x: x.topk(2), x) == found


def test_a_running_sum_beside_an_infinity_may_be_undefined() -> None:
    assert kinds(lambda x: x.cumsum(0), torch.tensor([1.0, 2.0, math.inf, 3.0])) == set()


def test_an_infinity_excuses_no_other_line_than_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([[1.0, 2.0, math.inf, 3.0], [1.0, 2.0, 3.0, 4.0]])

    assert kinds(lambda x: x.cumsum(1), x) == set()
    for row, found in ((0, set()), (1, {Disagreement.FINITE.name})):
        wrong = x.cumsum(1)
        wrong[row, 1] += 1
        monkeypatch.setattr(
            "benchmarks.promises.run_part",
            lambda lowered, *_, wrong=wrong: _Run({lowered.part.outputs[0]: wrong}),
        )
        assert kinds(lambda x: x.cumsum(1), x) == found


@pytest.mark.parametrize("wide", [2**31, -(2**40)])
def test_whole_numbers_of_more_than_32_bits_may_differ(wide: int) -> None:
    assert kinds(lambda x: x.unsqueeze(0) + 1, torch.tensor([1, wide, 3])) == set()


def test_only_the_elements_that_a_difference_concerns_may_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([1, 2**31, 3])
    monkeypatch.setattr("benchmarks.promises.run_part", lambda lowered, *_: _Run({lowered.part.outputs[0]: x + 1}))

    assert kinds(lambda x: x * 2, x) == {Disagreement.FINITE.name}


class _Run:
    def __init__(self, outputs: dict[int, torch.Tensor]) -> None:
        self.outputs = outputs
