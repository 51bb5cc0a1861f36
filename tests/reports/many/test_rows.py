"""Rows of a sweep, and the matrix that they make."""

import re
from dataclasses import replace

from nnapi_check.reports.many.rows import (
    FAILED,
    PASSED,
    answered,
    cell_words,
    column_words,
    counts,
    failure_words,
    matrix,
    stays,
    verdict_counts,
)
from tests.reports.many.sample_rows import asked, sample_rows
from tests.reports.sample_reports import mixed_report


def test_every_row_has_its_cell_and_nothing_else_has_one() -> None:
    rows = sample_rows()
    found = matrix(rows)

    cells = [cell for line in found.cells for cell in line]
    assert [cell for cell in cells if cell is not None] == list(rows)
    assert len(cells) == len(found.subjects) * len(found.columns)
    assert found.columns == (("pytorch-mobile", 3), ("pytorch-mobile", 8))


def test_columns_name_the_target_only_where_there_are_several() -> None:
    assert column_words(("ndk", 3), [("ndk", 3), ("ndk", 8)]) == "level 3"
    assert column_words(("ndk", 3), [("ndk", 3), ("pytorch-mobile", 3)]) == "ndk 3"


def test_verdicts_are_counted_once_each() -> None:
    rows = sample_rows()
    told = verdict_counts(rows)

    assert sum(int(number) for number in re.findall(r" (\d+)(?:,|$)", told)) == len(rows)
    assert told.endswith("no answer 2")


def test_places_of_a_row_are_those_of_its_report() -> None:
    report = mixed_report()
    row = answered(asked("a", 4), report)

    nearest = [blocker for blocker in report.blockers if not blocker.is_alternative]
    assert sum(found.places for found in stays(row, report)) == sum(len(blocker.places) for blocker in nearest)
    assert {found.op for found in stays(row, report)} == {blocker.op for blocker in nearest}


def test_a_cell_tells_an_error_from_a_score_of_zero() -> None:
    words = [cell_words(row) for row in sample_rows()]

    assert words == ["71.4 in 2", "71.4 in 2", "100", "no fit", "error", "error", "0.0"]
    assert cell_words(None) == ""


def test_conversions_are_counted_and_those_with_other_numbers_are_told() -> None:
    row = replace(sample_rows()[0], verification=PASSED, difference=2e-7)
    exact = replace(row, difference=0.0)
    wrong = replace(row, verification=FAILED, difference=0.25)
    unconverted = replace(row, verification="", difference=None)

    assert counts([row, exact, wrong, unconverted]) == (
        "ready with fallback 4; 3 converted, 2 within tolerance and 2e-07 of an output's range from PyTorch or nearer"
    )
    assert counts([wrong]) == "ready with fallback 1; 1 converted, 0 within tolerance"
    assert counts([unconverted]) == "ready with fallback 1"
    assert cell_words(wrong) == "differs"
    assert failure_words(wrong) == (
        "Converted for level 3, it is 2e-01 of an output's range from PyTorch, beyond its tolerance."
    )
    assert failure_words(row) == failure_words(unconverted) == ""
