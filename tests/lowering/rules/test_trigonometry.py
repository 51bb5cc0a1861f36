"""The tangent and the inverse trigonometric functions keep the bounds that their cards state."""

from collections.abc import Callable

import pytest
import torch

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs

INFINITE, UNDEFINED = float("inf"), float("nan")
EVERY_SIZE = torch.cat(
    [torch.linspace(-3, 3, 60_001), torch.logspace(-30, 38, 20_001), -torch.logspace(-30, 38, 20_001)]
)
WITHIN_ONE = torch.cat(
    [torch.linspace(-1, 1, 80_001), 1 - torch.logspace(-7, 0, 5_001), torch.logspace(-7, 0, 5_001) - 1]
)

Function = Callable[..., torch.Tensor]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def computed(function: Function, inputs: list[torch.Tensor], registry: Registry) -> dict[int, torch.Tensor]:
    """What the model gives at each level that has a way."""
    return {level: run.outputs[0] for level, run in runs(function, inputs, registry).items()}


@pytest.mark.parametrize(
    ("function", "inputs", "bound"),
    [
        pytest.param(torch.atan, EVERY_SIZE, 2e-7, id="atan"),
        pytest.param(torch.asin, WITHIN_ONE, 2e-7, id="asin"),
        pytest.param(torch.acos, WITHIN_ONE, 4e-7, id="acos"),
    ],
)
def test_is_as_near_to_the_true_value_as_stated(
    function: Function, inputs: torch.Tensor, bound: float, registry: Registry
) -> None:
    true = function(inputs.double())

    found = computed(function, [inputs], registry)

    assert found
    for level, values in found.items():
        assert float((values.double() - true).abs().max()) <= bound, level


@pytest.mark.parametrize(
    ("function", "inputs", "share"),
    [
        pytest.param(torch.acos, WITHIN_ONE[WITHIN_ONE < 1], 2e-7, id="acos"),
        pytest.param(torch.tan, torch.linspace(-100, 100, 60_002), 3e-7, id="tan nearby"),
        pytest.param(torch.tan, torch.linspace(-6000, 6000, 60_002), 1e-6, id="tan"),
    ],
)
def test_is_as_near_as_stated_in_shares_of_the_value(
    function: Function, inputs: torch.Tensor, share: float, registry: Registry
) -> None:
    true = function(inputs.double())

    found = computed(function, [inputs], registry)

    assert found
    for level, values in found.items():
        assert float(((values.double() - true) / true).abs().max()) <= share, level


def test_atan2_is_as_near_as_stated_in_every_octant(registry: Registry) -> None:
    generator = torch.Generator().manual_seed(1)
    sizes = [10.0 ** torch.randint(-9, 10, (50_000,), generator=generator) for _ in "yx"]
    y, x = (size * torch.randn(50_000, generator=generator) for size in sizes)
    true = torch.atan2(y.double(), x.double())

    found = computed(torch.atan2, [y, x], registry)

    assert found
    for values in found.values():
        assert float((values.double() - true).abs().max()) <= 3e-7


@pytest.mark.parametrize("function", [torch.atan, torch.asin, torch.acos, torch.tan])
def test_borders_and_undefined_numbers_are_as_in_pytorch(function: Function, registry: Registry) -> None:
    borders = torch.tensor([0.0, 1.0, -1.0, 2.0, -2.0, INFINITE, -INFINITE, UNDEFINED])
    wanted = function(borders)

    found = computed(function, [borders], registry)

    assert found
    for values in found.values():
        torch.testing.assert_close(values, wanted, equal_nan=True, rtol=0, atol=1e-6)


def test_atan2_of_axes_and_infinite_sides_is_as_in_pytorch(registry: Registry) -> None:
    sides = torch.tensor([0.0, 1.0, -1.0, INFINITE, -INFINITE, UNDEFINED])
    y, x = (side.flatten() for side in torch.meshgrid(sides, sides, indexing="ij"))
    wanted = torch.atan2(y, x)

    found = computed(torch.atan2, [y, x], registry)

    assert found
    for values in found.values():
        torch.testing.assert_close(values, wanted, equal_nan=True, rtol=0, atol=1e-6)
