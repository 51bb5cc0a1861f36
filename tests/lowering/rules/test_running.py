"""Running products, maxima and minima at lengths around powers of two, of equal and of undefined elements."""

from collections.abc import Callable

import pytest
import torch

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs

UNDEFINED = float("nan")
FUNCTIONS = [torch.cumprod, torch.cummax, torch.cummin]

Function = Callable[..., object]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def differences(function: Function, values: torch.Tensor, registry: Registry) -> list[str]:
    found = runs(lambda x: function(x, dim=1), [values], registry)
    assert found
    return [text for run in found.values() for text in run.differences]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9, 31, 32, 33])
def test_every_length_is_combined_to_the_end(function: Function, size: int, registry: Registry) -> None:
    values = torch.randn(3, size, generator=torch.Generator().manual_seed(size))

    assert differences(function, values, registry) == []


@pytest.mark.parametrize("function", [torch.cummax, torch.cummin])
def test_of_equal_elements_the_last_is_named(function: Function, registry: Registry) -> None:
    values = torch.tensor([[2.0, 1.0, 2.0, 2.0, 1.0, 1.0, 3.0]])

    assert differences(function, values, registry) == []


@pytest.mark.parametrize("function", [torch.cummax, torch.cummin])
def test_undefined_elements_win_for_good(function: Function, registry: Registry) -> None:
    values = torch.tensor([[2.0, UNDEFINED, 5.0, UNDEFINED, -1.0, 7.0, UNDEFINED, 9.0]])

    assert differences(function, values, registry) == []


@pytest.mark.parametrize("function", [torch.cummax, torch.cummin])
def test_infinite_elements_are_kept(function: Function, registry: Registry) -> None:
    values = torch.tensor([[2.0, float("inf"), 5.0, -float("inf"), -1.0]])

    assert differences(function, values, registry) == []


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 33])
def test_running_sums_of_whole_numbers_are_exact(size: int, dtype: torch.dtype, registry: Registry) -> None:
    drawn = torch.randint(-(1 << 24), 1 << 24, (3, size, 2), generator=torch.Generator().manual_seed(size))
    values = (drawn > 0) if dtype is torch.bool else drawn.to(dtype)

    found = runs(lambda x: torch.cumsum(x, dim=1), [values], registry)

    assert min(found) <= 4
    assert [text for run in found.values() for text in run.differences] == []
