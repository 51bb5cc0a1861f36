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


def test_places_of_equal_elements_may_differ_along_any_dimension_with_or_without_it() -> None:
    x = torch.tensor([[2.0, 5.0], [2.0, 4.0], [2.0, 5.0], [7.0, 5.0]])

    assert kinds(lambda x: torch.cat([x.kthvalue(2, 0)[1], x.kthvalue(2, 0, True)[1][0]]), x) == set()


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


def test_equal_elements_excuse_no_places_of_others_in_their_row(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([[2.0, 5.0, 2.0, 4.0, 2.0]])
    for place, found in ((3, set()), (1, {Disagreement.FINITE.name})):
        values, places = x.topk(4)
        places[0, place] = 4
        monkeypatch.setattr(
            "benchmarks.promises.run_part",
            lambda lowered, *_, made=(values, places): _Run(dict(zip(lowered.part.outputs, made, strict=True))),
        )
        assert kinds(lambda x: x.topk(4), x) == found


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


Function = Callable[[torch.Tensor], torch.Tensor]


def weighed(x: torch.Tensor) -> torch.Tensor:
    return x @ torch.linspace(-1, 1, 15).reshape(3, 5)


def resized(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(x, size=(6, 5), mode="bilinear", align_corners=False)


def pooled(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.adaptive_avg_pool2d(x, (2, 3))


def attended(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(x, x, x)


def averaged(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(x, (1, 2))


def added(x: torch.Tensor) -> torch.Tensor:
    return x.index_add(0, torch.tensor([1, 1]), x[2:])


@pytest.mark.parametrize(
    ("function", "shape", "odd", "inside", "outside"),
    [
        (weighed, (4, 3), 1e30, (2, 1), (1, 1)),
        (resized, (1, 2, 3, 4), math.inf, (0, 1, 2, 1), (0, 1, 5, 0)),
        (pooled, (1, 2, 3, 4), math.inf, (0, 1, 0, 2), (0, 0, 0, 2)),
        (attended, (2, 3, 4), math.nan, (1, 2, 3), (0, 0, 0)),
        (averaged, (1, 2, 3, 4), 1e30, (0, 1, 1, 0), (0, 1, 1, 1)),
        (added, (4, 3), math.inf, (0, 1), (0, 0)),
    ],
)
def test_an_odd_element_excuses_what_it_reaches_and_nothing_else(
    function: Function,
    shape: tuple[int, ...],
    odd: float,
    inside: tuple[int, ...],
    outside: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    x[{2: (2, 1), 3: (1, 0, 0), 4: (0, 1, 1, 0)}[len(shape)]] = odd
    found: dict[tuple[int, ...], set[str]] = {}

    for place in (inside, outside):
        wrong = function(x).clone()
        wrong[place] = math.inf
        monkeypatch.setattr(
            "benchmarks.promises.run_part",
            lambda lowered, *_, wrong=wrong: _Run({lowered.part.outputs[0]: wrong}),
        )
        found[place] = kinds(function, x)

    assert found == {inside: set(), outside: {Disagreement.INFINITE.name}}


def test_what_is_excused_reaches_through_later_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    x[2, 1] = 1e30

    def function(x: torch.Tensor) -> torch.Tensor:
        return weighed(x).softmax(1).t() + 1

    for place, found in (((1, 2), set()), ((2, 1), {Disagreement.FINITE.name})):
        wrong = function(x).clone()
        wrong[place] += 1
        monkeypatch.setattr(
            "benchmarks.promises.run_part",
            lambda lowered, *_, wrong=wrong: _Run({lowered.part.outputs[0]: wrong}),
        )
        assert kinds(function, x) == found


def test_an_infinity_stays_in_its_row_where_pooling_leaves_the_height_alone() -> None:
    x = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    x[0, 1, 1, 0] = math.inf

    assert kinds(lambda x: torch.nn.functional.adaptive_avg_pool2d(x, (3, 3)), x) == set()


def test_masked_infinities_are_excused_at_their_own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    x[0, 3] = math.inf
    module = torch.jit.trace(Called(torch.tril), x)  # type: ignore[no-untyped-call]  # it has no types

    assert hold(module, {Draw.SAMPLE: (x,)}, (1,)).faults == ()

    wrong = x.tril()
    wrong[0, 2] = math.nan
    monkeypatch.setattr("benchmarks.promises.run_part", lambda lowered, *_: _Run({lowered.part.outputs[0]: wrong}))
    assert [fault.kind for fault in hold(module, {Draw.SAMPLE: (x,)}, (1,)).faults] == [Disagreement.UNDEFINED]


def test_an_error_does_not_hide_behind_a_greater_number_in_another_row(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    x[0, 3] = 1e30
    for row, found in ((0, set()), (1, {Disagreement.FINITE.name})):
        wrong = x.softmax(1) + x
        wrong[row, 1] += 1
        monkeypatch.setattr(
            "benchmarks.promises.run_part",
            lambda lowered, *_, wrong=wrong: _Run({lowered.part.outputs[0]: wrong}),
        )
        assert kinds(lambda x: x.softmax(1) + x, x) == found
