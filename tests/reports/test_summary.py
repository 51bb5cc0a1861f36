"""The verdict in one sentence, for every verdict that there is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from nnapi_check import check
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.reports.console import to_text
from nnapi_check.reports.json_format import to_json
from nnapi_check.reports.pages import to_html
from nnapi_check.reports.summary import android_words
from nnapi_check.reports.terminal import Paint
from nnapi_check.reports.views import ModelReport

IMAGE = (1, 3, 7, 9)
MOBILE = "pytorch-mobile"


class Whole(nn.Module):
    """Holds a convolution, which NNAPI has at every level."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 64, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(x)
        return found


class Split(Whole):
    """Has an op in the middle that NNAPI has not."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(64, 64, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.lgamma(super().forward(x))))


class Beside(Whole):
    """Multiplies more in float64, which NNAPI has not, than in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(3, 210, 3, padding=1, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = super().forward(x).sum() + self.second(x.double()).sum().float()
        return found


class Small(nn.Module):
    """Nearly nothing that NNAPI could do, next to what it cannot."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.lgamma(x))


class Nothing(nn.Module):
    """No op that NNAPI has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.lgamma(x)


def report(
    module: nn.Module, target: str = MOBILE, *, api_level: int | None = None, feature_level: int | None = None
) -> ModelReport:
    example = [torch.rand(IMAGE)]
    return check(module.eval(), example, target=target, api_level=api_level, feature_level=feature_level)


@pytest.mark.parametrize(
    ("module", "target", "level", "readiness", "sentence"),
    [
        (Whole(), MOBILE, 5, "ready", "Runs on NNAPI as one model from Android 10 (feature level 3) on."),
        (Whole(), "ndk", 5, "ready", "Runs on NNAPI as one model from Android 8.1 (feature level 1) on."),
        (
            Split(),
            MOBILE,
            5,
            "not worthwhile",
            "All multiplications run on NNAPI, in 2 pieces, and 1 small op beside them on the CPU: expect it slower "
            "than on the CPU alone, by an estimate.",
        ),
        (
            Beside(),
            MOBILE,
            5,
            "not worthwhile",
            "Only 23% of the work runs on NNAPI, in one piece, and the rest on the CPU: expect it slower than on the "
            "CPU alone, by an estimate.",
        ),
        (
            Small(),
            MOBILE,
            5,
            "not worthwhile",
            "What NNAPI could compute of this model is too little to pay for the way there and back, so all of it "
            "stays on the CPU.",
        ),
        (
            Nothing(),
            MOBILE,
            5,
            "unsupported",
            "Nothing of this model can run on NNAPI at Android 12 (feature level 5).",
        ),
        (
            Whole(),
            MOBILE,
            2,
            "does not fit the target",
            "PyTorch Mobile's loader cannot run it at Android 9 (feature level 2), but only from Android 10 (feature "
            "level 3) on.",
        ),
        (
            Split(),
            "ndk",
            3,
            "does not fit the target",
            "The NDK runtime runs one NNAPI model and nothing on the CPU beside it, which does not hold all of this "
            "model at Android 10 (feature level 3).",
        ),
    ],
)
def test_every_verdict_is_a_sentence(module: nn.Module, target: str, level: int, readiness: str, sentence: str) -> None:
    found = report(module, target, feature_level=level)

    assert (found.readiness, found.summary) == (readiness, sentence)


def test_pieces_with_enough_work_are_not_said_to_be_slow() -> None:
    found = check(Split().eval(), [torch.rand(1, 3, 64, 96)], feature_level=5)

    assert found.summary == "All multiplications run on NNAPI, in 2 pieces, and 1 small op beside them on the CPU."
    assert found.readiness == "ready with fallback"


def test_a_deprecated_level_says_in_the_sentence_what_that_means() -> None:
    before, after = (report(Whole(), api_level=level) for level in (34, 36))

    assert after.summary == (
        f"{before.summary.rstrip('.')}; but Android 15 deprecates NNAPI, and many devices from then on compute it on "
        "their CPU, so count on no gain before it is measured."
    )
    assert [found.is_deprecated for found in (before, after)] == [False, True]


def test_where_nothing_runs_deprecation_changes_nothing() -> None:
    assert "deprecate" not in report(Nothing(), api_level=36).summary


def test_level_of_updates_is_told_as_such() -> None:
    assert android_words(6, load_levels()) == "feature level 6 (Android 12 with updates)"


def test_text_page_and_json_have_the_same_sentence() -> None:
    found = replace(report(Whole(), api_level=29), summary="A sentence of its own.")

    for text in (to_text(found, Paint(is_colored=False)), to_html(found), to_json(found)):
        assert text.count("A sentence of its own.") == 1
