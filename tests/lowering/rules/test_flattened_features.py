"""A convolution's output that is flattened for a product: the weights take its order, so nothing is transposed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from nnapi_check.lowering.verification.part_run import run_part
from nnapi_check.lowering.verification.reference import graph_values
from tests.tolerances import difference


class Flattened(nn.Module):
    """A convolution, what is done to its flattened output, and a product."""

    def __init__(self, between: Callable[[Tensor], Tensor], *, keeps_features: bool = False, units: int = 7) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, (3, 2))
        self.between = between
        self.product = nn.Linear(5 * 4 * 6, units)
        self.keeps_features = keeps_features

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = self.between(torch.flatten(self.convolution(x), 1))
        return (self.product(features), features) if self.keeps_features else (self.product(features),)


def lowered_and_equal(module: nn.Module, level: int) -> tuple[LoweredPart, ...]:
    x = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(3))
    captured = capture(module.eval(), [x], weights=True)
    registry = open_registry()
    found = survey(captured.graph, registry, replace(registry.target("pytorch-mobile"), lowest_level=1))
    parts = lower_plan(found, found.at(level), FactsByName(registry))
    wanted = module(x)
    values: dict[int, Tensor] = {}
    for part in parts:
        inputs = graph_values(captured, part.part.inputs, [x])
        values |= run_part(part, captured.graph, inputs, captured.tensor).outputs
    made = [
        (values[value], expected)
        for value, expected in zip(captured.graph.body.outputs, wanted, strict=True)
        if value in values
    ]
    assert made
    assert [difference(found, expected.detach()) for found, expected in made] == [""] * len(made)
    return parts


@pytest.mark.parametrize("level", [1, 3])
@pytest.mark.parametrize(
    "between", [nn.Identity(), nn.Sequential(nn.ReLU(), nn.Dropout()), lambda x: torch.sigmoid(x * 0.5)]
)
def test_a_product_orders_its_weights_like_the_flattened_features(
    between: Callable[[Tensor], Tensor], level: int
) -> None:
    parts = lowered_and_equal(Flattened(between), level)

    assert [part.transposes for part in parts] == [0]
    assert [part.level for part in parts] == [1]


def test_features_that_are_an_output_too_are_transposed() -> None:
    parts = lowered_and_equal(Flattened(nn.ReLU(), keeps_features=True), 2)

    assert [part.transposes for part in parts] == [1]


def test_features_that_meet_a_constant_of_their_own_order_are_transposed() -> None:
    factor = torch.linspace(0.5, 2.0, 5 * 4 * 6)

    parts = lowered_and_equal(Flattened(lambda x: x * factor), 2)

    assert [part.transposes for part in parts] == [1]


def test_features_that_must_be_transposed_cross_a_boundary_at_level_1() -> None:
    parts = lowered_and_equal(Flattened(nn.ReLU(), keeps_features=True, units=4000), 1)

    assert [part.transposes for part in parts] == [0]
