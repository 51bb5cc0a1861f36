"""Counts, and sums and means that leave out what is no number, of borders and undefined elements."""

from collections.abc import Callable

import pytest
import torch

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs

UNDEFINED, INFINITE = float("nan"), float("inf")

Function = Callable[[torch.Tensor], object]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def differences(function: Function, values: torch.Tensor, registry: Registry) -> list[str]:
    found = runs(function, [values], registry)
    assert found
    return [text for run in found.values() for text in run.differences]


@pytest.mark.parametrize(
    "function",
    [torch.count_nonzero, lambda x: torch.count_nonzero(x, 1), lambda x: torch.count_nonzero(x, [0, -1])],
    ids=["all", "rows", "named"],
)
def test_all_but_zeros_count_of_either_sign(function: Function, registry: Registry) -> None:
    values = torch.tensor([[0.0, -0.0, UNDEFINED, 1e-38], [INFINITE, -2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])

    assert differences(function, values, registry) == []
    assert differences(function, values > 0, registry) == []
    assert differences(function, values.nan_to_num().clamp(-9, 9).long(), registry) == []


@pytest.mark.parametrize("function", [torch.nansum, torch.nanmean], ids=["sum", "mean"])
@pytest.mark.parametrize(("dims", "keepdim"), [(None, False), ([1], True), ([0], False), ([0, 1], False)])
def test_undefined_elements_are_left_out(
    function: Callable[..., object], dims: list[int] | None, keepdim: bool, registry: Registry
) -> None:
    values = torch.tensor([[1.0, UNDEFINED, 3.5], [UNDEFINED, UNDEFINED, UNDEFINED], [4.0, 5.0, -INFINITE]])

    assert differences(lambda x: function(x, dim=dims, keepdim=keepdim), values, registry) == []
