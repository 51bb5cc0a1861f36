"""Edits that are tried on a model."""

import pytest
import torch
from torch.nn import functional

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.planning.causes import causes
from nnapi_check.analyzer.planning.gains import Basis, changes_worth_most
from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.analyzer.trials.splicing import spliced
from nnapi_check.analyzer.trials.trial import Trials
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE


class Shuffled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = functional.channel_shuffle(x, 2).chunk(2, dim=1)
        return left.relu() + right.tanh()


class Branching(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu() if bool(x.sum() > 0) else x.tanh()


class Volumes(torch.nn.Module):
    """A small network of volumes, in the shape of a U: ``is_edited`` where it is written as the edits say."""

    def __init__(self, *, is_edited: bool) -> None:
        super().__init__()
        self.down, self.up = torch.nn.Conv3d(6, 8, 3, 2, padding=1), torch.nn.ConvTranspose3d(8, 6, 2, 2)
        self.last = torch.nn.Conv3d(12, 3, 1)
        self.is_edited = is_edited

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.down(x)
        rows = y.reshape(-1, y.shape[2], y.shape[3] * y.shape[4])
        y = rows.cumsum(1).reshape(y.shape) if self.is_edited else y.cumsum(2)
        y = self.last(torch.cat([x, self.up(y.relu())], 1))
        rows = y.reshape(-1, y.shape[2], y.shape[3] * y.shape[4])
        return rows.flip(1).reshape(y.shape) if self.is_edited else y.flip(2)


def surveyed(module: torch.nn.Module, target: str, shape: tuple[int, ...] = (1, 6, 3, 5)) -> Survey:
    registry = open_registry()
    found = capture(module, [torch.rand(shape)], weights=False)
    return survey(found.graph, registry, registry.target(target), gain=0)


def test_edits_for_other_calls_of_one_cause_are_made_together() -> None:
    found = surveyed(Shuffled(), NDK)
    plan = found.at(1)

    (change,) = changes_worth_most(found, plan, Trials(found, open_registry())).first
    best = change.remedies[0]

    assert plan.readiness is Readiness.DOES_NOT_FIT
    assert best.basis is Basis.TRIED
    assert {edit.edit.id for edit in best.edits} == {"shuffle-by-convolution", "halves-by-convolution"}
    assert best.outcome.readiness is Readiness.READY


def test_network_of_volumes_is_the_part_that_it_is_with_dimensions_taken_together() -> None:
    shape = (1, 6, 4, 6, 8)
    found, edited = (surveyed(Volumes(is_edited=is_edited), PYTORCH_MOBILE, shape).at(3) for is_edited in (False, True))

    assert len(found.partition.parts) == len(edited.partition.parts) == 1
    assert found.readiness is edited.readiness is Readiness.READY
    assert found.score.points == edited.score.points


def test_no_edit_is_told_where_none_is_tried() -> None:
    found = surveyed(Shuffled(), NDK)

    changes = changes_worth_most(found, found.at(1)).first

    assert not any(remedy.edits for change in changes for remedy in change.remedies)


def test_branch_that_only_a_run_decides_is_a_cause() -> None:
    found = surveyed(torch.jit.script(Branching()), PYTORCH_MOBILE)

    assert ("prim.If",) in [cause.ops for cause in causes(found, found.at(3))]


@pytest.mark.parametrize("module", [Shuffled(), torch.jit.script(Branching())])
def test_graph_without_replacements_is_judged_as_before(module: torch.nn.Module) -> None:
    before = surveyed(module, PYTORCH_MOBILE)

    after = survey(spliced(before.graph, {}), open_registry(), before.target, gain=0)

    assert [plan.score.points for plan in after.plans] == [plan.score.points for plan in before.plans]
