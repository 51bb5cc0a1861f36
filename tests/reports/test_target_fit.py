"""Reports say what carries a model, and where the target does not, why and what does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.reports.views import ModelReport

IMAGE = (1, 3, 7, 9)


class Whole(nn.Module):
    """One NNAPI model from feature level 1 on."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) * 2.5


class Split(nn.Module):
    """An op in the middle that NNAPI has not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(torch.lgamma(self.first(x)))
        return found


class Echo(nn.Module):
    """Gives its input back as it came, or as numbers that NNAPI has not, beside what it computes."""

    def __init__(self, *, is_double: bool) -> None:
        super().__init__()
        self.is_double, self.layer = is_double, nn.Conv2d(3, 64, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.to(torch.float64) if self.is_double else x, self.layer(x)


def checked(module: nn.Module, level: int, target: str) -> ModelReport:
    return nnapi_check.check(module.eval(), [torch.rand(IMAGE)], feature_level=level, target=target)


@pytest.mark.parametrize("level", [1, 2])
def test_pytorch_mobile_carries_nothing_below_level_3_and_names_the_target_that_does(level: int) -> None:
    report = checked(Whole(), level, "pytorch-mobile")

    assert (report.readiness, report.score, report.parts) == ("does not fit the target", 0, ())
    assert not report.gate.is_passed
    assert [(loss.points, loss.kind, loss.what) for loss in report.losses] == [(100, "not carried", "pytorch-mobile")]
    assert report.misfit is not None
    assert "ANeuralNetworksExecution_compute" in report.misfit.because
    assert report.misfit.fix.startswith("Pass --target ndk:")
    assert "Or raise the level to feature level 3 (API level 29)" in report.misfit.fix


def test_the_table_of_levels_says_the_same_as_the_verdict_at_each() -> None:
    rows = checked(Whole(), 3, "pytorch-mobile").levels

    for row in rows:
        report = checked(Whole(), row.level, "pytorch-mobile")
        assert (report.readiness, report.score, len(report.parts)) == (row.readiness, row.score, row.parts)
    assert [row.parts for row in rows[:3]] == [0, 0, 1]


def test_ready_counts_from_the_level_that_the_target_reaches() -> None:
    assert checked(Whole(), 3, "pytorch-mobile").lowest_ready_level == 3
    assert checked(Whole(), 3, "ndk").lowest_ready_level == 1


def test_the_ndk_carries_a_whole_model_at_the_first_level() -> None:
    report = checked(Whole(), 1, "ndk")

    assert (report.target, report.readiness, report.misfit) == ("ndk", "ready", None)
    assert report.gate.is_passed


def test_the_ndk_refuses_a_model_in_pieces_and_names_the_target_that_does_not() -> None:
    report = checked(Split(), 3, "ndk")

    assert (report.readiness, report.score, report.parts) == ("does not fit the target", 0, ())
    assert report.misfit is not None
    assert "here aten.lgamma.default (" in report.misfit.because
    assert report.misfit.because.endswith(" stays on the CPU.")
    assert "Pass --target pytorch-mobile, which keeps the rest on the CPU." in report.misfit.fix
    assert {node.kept_because.split()[0] for node in report.nodes if node.kept_because is not None} == {"NNC905"}
    assert "aten.lgamma.default" in {blocker.op for blocker in report.blockers}


def test_below_level_3_a_model_in_pieces_needs_a_higher_level() -> None:
    for target in ("ndk", "pytorch-mobile", "auto"):
        report = checked(Split(), 2, target)

        assert report.misfit is not None, target
        assert "Pass --target" not in report.misfit.fix
        assert "aise the level to feature level 3 (API level 29)" in report.misfit.fix


def test_an_input_is_given_back_without_a_model() -> None:
    assert checked(Echo(is_double=False), 3, "ndk").readiness == "ready"


def test_numbers_that_nnapi_has_not_fit_no_single_model() -> None:
    report = checked(Echo(is_double=True), 3, "ndk")

    assert report.misfit is not None
    assert "among 2 such obstacles" in report.misfit.because
    assert checked(Echo(is_double=True), 3, "pytorch-mobile").misfit is None


@pytest.mark.parametrize(
    ("module", "level", "target", "because"),
    [
        (Whole(), 1, "ndk", "one NNAPI model holds everything"),
        (Whole(), 4, "ndk", "one NNAPI model holds everything"),
        (Split(), 2, "ndk", "pytorch-mobile does not reach feature level 2"),
        (Split(), 3, "pytorch-mobile", "not everything runs in one NNAPI model"),
    ],
)
def test_the_target_that_suits_is_chosen_and_told(module: nn.Module, level: int, target: str, because: str) -> None:
    report = checked(module, level, "auto")

    assert report.target == target
    assert because in report.target_because


def test_a_target_that_is_asked_for_needs_no_reason() -> None:
    assert checked(Whole(), 3, "ndk").target_because == ""


def test_an_unknown_target_is_refused_with_the_names_that_are_known() -> None:
    with pytest.raises(nnapi_check.InputError, match="one of pytorch-mobile, ndk, auto, not 'coreml'"):
        checked(Whole(), 3, "coreml")
