import math
from collections.abc import Callable

import pytest
import torch

from benchmarks.reach import Reach
from nnapi_check.analyzer.capture.capture import capture


class Called(torch.nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


Function = Callable[[torch.Tensor], torch.Tensor]


def reach_of(function: Function, x: torch.Tensor, place: tuple[int, ...], *, is_beside: bool = False) -> torch.Tensor:
    """What one element of the input reaches in the op of a model of one op."""
    module = torch.jit.trace(Called(function), x)  # type: ignore[no-untyped-call]  # it has no types
    captured = capture(module, [x], weights=True)
    node = next(node for node in captured.graph.nodes() if not node.is_constant)
    source = node.inputs()[0]
    inputs = {value: x if value == source else captured.tensor(value) for value in node.inputs()}
    mask = torch.zeros(x.shape, dtype=torch.bool)
    mask[place] = True
    find = Reach(captured).beside if is_beside else Reach(captured).reached
    return find(node, node.outputs[0], source, mask, inputs)


def at(shape: tuple[int, ...], *places: int | tuple[int | slice, ...]) -> torch.Tensor:
    mask = torch.zeros(shape, dtype=torch.bool)
    for place in places:
        mask[place] = True
    return mask


X = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
IMAGE = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
ALL = slice(None)


@pytest.mark.parametrize(
    ("function", "x", "place", "reached"),
    [
        (lambda x: x @ torch.eye(3), X, (2, 1), at((4, 3), (2, ALL))),
        (lambda x: x.t(), X, (2, 1), at((3, 4), (1, 2))),
        (lambda x: x.cumsum(0), X, (2, 1), at((4, 3), (slice(2, 4), 1))),
        (lambda x: x.softmax(-1), X, (2, 1), at((4, 3), (2, ALL))),
        (lambda x: x.argmax(1), X, (2, 1), at((4,), 2)),
        (lambda x: x.max(), X, (2, 1), at((), ())),
        (lambda x: torch.nn.functional.max_pool2d(x, (1, 2)), IMAGE, (0, 1, 2, 3), at((1, 2, 3, 2), (0, 1, 2, 1))),
        (lambda x: x.tril(), X, (1, 2), at((4, 3))),
    ],
)
def test_an_element_reaches_what_is_computed_of_it(
    function: Function, x: torch.Tensor, place: tuple[int, ...], reached: torch.Tensor
) -> None:
    assert reach_of(function, x, place).tolist() == reached.tolist()


@pytest.mark.parametrize("odd", [math.nan, math.inf, 1e30, -1e30])
def test_odd_elements_beside_hide_no_reach(odd: float) -> None:
    x = X.clone()
    x[2, 0] = odd

    assert reach_of(lambda x: x.sum(1), x, (2, 1)).tolist() == at((4,), 2).tolist()


@pytest.mark.parametrize(
    ("function", "x", "place", "reached"),
    [
        (lambda x: x.cumsum(0), X, (2, 1), at((4, 3), (ALL, 1))),
        (lambda x: x.tril(), X, (1, 2), at((4, 3), (1, 2))),
        (
            lambda x: torch.nn.functional.interpolate(x, size=(3, 8), mode="bilinear"),
            IMAGE,
            (0, 1, 2, 3),
            at((1, 2, 3, 8), (0, 1, 2, ALL)),
        ),
        (lambda x: x.sum(1), X, (2, 1), at((4,), (ALL,))),
    ],
)
def test_beside_an_element_is_its_line_in_every_dimension_that_the_op_mixes(
    function: Function, x: torch.Tensor, place: tuple[int, ...], reached: torch.Tensor
) -> None:
    assert reach_of(function, x, place, is_beside=True).tolist() == reached.tolist()
