"""A comparison as text."""

from dataclasses import replace

from nnapi_check.reports.gating.baseline import Baseline, compared, facts_of
from nnapi_check.reports.gating.comparison_text import comparison_lines, comparison_sentence, shown_changes
from nnapi_check.reports.terminal import Paint
from tests.conftest import Golden
from tests.reports.sample_reports import mixed_report

BEFORE = replace(
    mixed_report(), score=90.25, lowest_ready_level=3, readiness="ready", blockers=mixed_report().blockers[:1]
)
COMPARISON = compared(mixed_report(), Baseline("before.json", facts_of(BEFORE)))


def test_text_is_the_golden_one(golden: Golden) -> None:
    golden("comparison.txt", "\n".join(comparison_lines(COMPARISON, Paint(is_colored=False))) + "\n")


def test_what_is_worse_comes_first() -> None:
    effects = [change.effect for change in shown_changes(COMPARISON)]

    assert effects == sorted(effects, key=["worse", "better", "same"].index)
    assert effects[0] == "worse"


def test_one_sentence_has_all_that_changed_and_nothing_else() -> None:
    sentence = comparison_sentence(COMPARISON)

    for change in COMPARISON.changes:
        assert (f"{change.what} {change.before} → {change.after}" in sentence) == (change.before != change.after)
    assert "nothing changed" in comparison_sentence(replace(COMPARISON, changes=()))
