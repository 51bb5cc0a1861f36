"""Where constants that are sorted stood is told once, and not left to the processor that a model runs on."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured, capture

SORTS = {"aten.sort.default", "aten.sort.stable", "aten.topk.default", "aten.argsort.default", "aten.argsort.stable"}


class Sorts(nn.Module):
    lengths: torch.Tensor

    def __init__(self, lengths: list[int], how: str) -> None:
        super().__init__()
        self.register_buffer("lengths", torch.tensor(lengths))
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "sort":
            places = torch.sort(self.lengths, descending=True)[1]
        elif self.how == "stable":
            places = torch.sort(self.lengths, stable=True, descending=True)[1]
        elif self.how == "topk":
            places = torch.topk(self.lengths, self.lengths.shape[0] - 1)[1]
        else:
            places = torch.argsort(self.lengths)
        return x.index_select(0, places) * 2


def captured(lengths: list[int], how: str, *, weights: bool = True) -> Captured:
    return capture(torch.jit.script(Sorts(lengths, how)), [torch.rand(len(lengths), 3)], weights=weights)


def sorts_in(found: Captured) -> set[str]:
    return {node.op for node in found.calls} & SORTS


EQUAL = [5, 3, 5] * 14


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("how", ["sort", "topk", "argsort"])
def test_the_order_of_equal_elements_is_a_constant(how: str, weights: bool) -> None:
    found = captured(EQUAL, how, weights=weights)

    assert not sorts_in(found)
    assert "aten::sort" not in str(found.torch_graph)
    assert not any(node.is_constant for node in found.calls)


@pytest.mark.parametrize("how", ["sort", "topk", "argsort", "stable"])
def test_the_numbers_are_those_of_the_model(how: str) -> None:
    x = torch.rand(len(EQUAL), 3)
    forward: Callable[..., torch.Tensor] = getattr(captured(EQUAL, how).module, "forward")  # noqa: B009  # PyTorch's stubs leave it out

    assert torch.equal(forward(x), Sorts(EQUAL, how)(x))


@pytest.mark.parametrize(("lengths", "how"), [([5, 3, 4], "sort"), ([5, 3, 4], "topk"), (EQUAL, "stable")])
def test_an_order_that_nothing_leaves_open_is_computed(lengths: list[int], how: str) -> None:
    assert sorts_in(captured(lengths, how))
