"""Outputs of a part that no operation of it computes: they are copied, at the level that a copy needs."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from nnapi_check.lowering.verification.part_run import run_part


class PassesOn(nn.Module):
    """Whole numbers that are looked up, and given back as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 6)
        self.product = nn.Linear(6, 500)

    def forward(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        same = indices.view(indices.shape)
        return same, self.product(self.table(same))


def surveyed() -> tuple[Survey, Tensor]:
    indices = torch.randint(0, 10, (300,), generator=torch.Generator().manual_seed(1))
    captured = capture(PassesOn().eval(), [indices], weights=True)
    registry = open_registry()
    loader = replace(registry.target("pytorch-mobile"), lowest_level=1)
    return survey(captured.graph, registry, loader), indices


@pytest.mark.parametrize("level", [1, 2, 3, 6])
def test_a_part_needs_no_higher_level_than_its_plan(level: int) -> None:
    found, _ = surveyed()
    plan = found.at(level)

    parts = lower_plan(found, plan, FactsByName(open_registry()))

    assert parts
    assert all(part.level <= level for part in parts)


def test_whole_numbers_are_passed_on_from_the_level_that_copies_them() -> None:
    found, indices = surveyed()
    (given, _) = found.graph.body.outputs
    assert all(given not in part.outputs for part in found.at(2).partition.parts)

    (part,) = lower_plan(found, found.at(3), FactsByName(open_registry()))
    captured = capture(PassesOn().eval(), [indices], weights=True)
    made = run_part(part, captured.graph, {part.part.inputs[0]: indices}, captured.tensor).outputs

    assert torch.equal(made[given], indices)
