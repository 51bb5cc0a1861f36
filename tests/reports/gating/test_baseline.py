"""How a report compares with an earlier one."""

from dataclasses import replace

import pytest

from nnapi_check.analyzer.errors import InputError
from nnapi_check.reports.gating.baseline import Baseline, compared, facts_of, worsened
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_reports import hostile_report, mixed_report, quantized_report, ready_report

MIXED = replace(mixed_report(), artifact_bytes=1000, lowest_ready_level=4)
BASELINE = Baseline("before.json", facts_of(MIXED))


@pytest.mark.parametrize("report", [MIXED, ready_report(), quantized_report(), hostile_report()])
def test_a_report_is_not_worse_than_itself(report: ModelReport) -> None:
    comparison = compared(report, Baseline("itself", facts_of(report)))

    assert {change.effect for change in comparison.changes} == {"same"}
    assert all(change.before == change.after for change in comparison.changes)


WORSE = {
    "verdict": replace(MIXED, readiness="not worthwhile"),
    "score": replace(MIXED, score=MIXED.score - 1),
    "work on NNAPI": replace(MIXED, compute_coverage=MIXED.compute_coverage - 0.01),
    "parts": replace(MIXED, parts=(*MIXED.parts, MIXED.parts[0])),
    "ops on the CPU": replace(MIXED, nodes_on_nnapi=MIXED.nodes_on_nnapi - 1),
    "ready from feature level": replace(MIXED, lowest_ready_level=None),
    "bytes of the file": replace(MIXED, artifact_bytes=1011),
}


@pytest.mark.parametrize("what", WORSE)
def test_each_thing_that_is_worse_is_told_alone_and_is_better_the_other_way_round(what: str) -> None:
    there = compared(WORSE[what], BASELINE)
    back = compared(MIXED, Baseline("worse", facts_of(WORSE[what])))

    assert [change.what for change in there.changes if change.effect == "worse"] == [what]
    assert [change.what for change in back.changes if change.effect == "better"] == [what]
    assert len(worsened(there)) == 1
    assert worsened(back) == ()


def test_an_op_that_came_to_the_cpu_is_named() -> None:
    before = replace(MIXED, blockers=tuple(found for found in MIXED.blockers if found.reason != "NNC103"))

    comparison = compared(MIXED, Baseline("before", facts_of(before)))

    (worse,) = worsened(comparison)
    assert "mylib.whiten.default stays on the CPU (NNC103, card), 0 before and 1 now" in worse


def test_what_is_smaller_than_what_is_shown_is_the_same() -> None:
    nearly = replace(MIXED, score=MIXED.score - 1e-7, artifact_bytes=1009)

    assert worsened(compared(nearly, BASELINE)) == ()


def test_parts_that_came_from_nothing_are_not_worse() -> None:
    nothing = replace(MIXED, parts=(), readiness="unsupported", score=0.0)

    assert worsened(compared(MIXED, Baseline("nothing", facts_of(nothing)))) == ()


def test_numbers_that_left_their_tolerance_are_worse() -> None:
    assert MIXED.verification is not None
    wrong = replace(MIXED, verification=replace(MIXED.verification, is_within_tolerance=False))

    assert worsened(compared(wrong, BASELINE)) == (
        "Worse than the baseline: numbers, within tolerance before and out of tolerance now.",
    )


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (replace(MIXED, feature_level=5), "for feature level 4, and this one is for 5"),
        (replace(MIXED, target="ndk"), "for target pytorch-mobile, and this one is for ndk"),
    ],
)
def test_reports_for_other_levels_or_targets_are_not_compared(report: ModelReport, words: str) -> None:
    with pytest.raises(InputError, match=words):
        compared(report, BASELINE)
