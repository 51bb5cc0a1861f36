"""The report in a notebook."""

from dataclasses import replace

import pytest

from nnapi_check.reports.formats.findings import Origin
from nnapi_check.reports.formats.outputs import Form, rendered
from nnapi_check.reports.level_rows import level_rows
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_reports import HOSTILE, hostile_report, mixed_report, quantized_report, ready_report
from tests.reports.test_pages import Elements


@pytest.mark.parametrize(
    "report",
    [mixed_report(), ready_report(), quantized_report(), hostile_report()],
    ids=["mixed", "ready", "quantized", "hostile"],
)
def test_every_element_is_closed_and_every_level_is_there(report: ModelReport) -> None:
    page = report._repr_html_()
    elements = Elements(page)

    assert elements.open == []
    assert elements.names.count("tr") == 1 + len(level_rows(report.levels))
    assert "script" not in elements.names
    assert HOSTILE not in page


def test_reasons_and_fixes_are_told() -> None:
    text = Elements(mixed_report()._repr_html_()).text

    for blocker in mixed_report().blockers:
        assert (blocker.because in text) == (not blocker.is_alternative)


def test_what_to_change_first_is_told_with_its_code_and_gain() -> None:
    report = mixed_report()
    assert report.first_changes is not None
    text = Elements(report._repr_html_()).text

    edits = [edit for cause in report.first_changes.causes for made in cause.remedies for edit in made.edits]
    assert edits
    for edit in edits:
        assert all(f"- {line}" in text for line in edit.before.splitlines())
        assert all(f"+ {line}" in text for line in edit.after.splitlines())
    assert " points" in text


@pytest.mark.parametrize(("is_within", "words"), [(True, "Within tolerance"), (False, "NOT WITHIN tolerance")])
def test_the_numbers_of_a_conversion_are_told(is_within: bool, words: str) -> None:
    report = mixed_report()
    assert report.verification is not None
    measured = replace(report, verification=replace(report.verification, is_within_tolerance=is_within))

    assert words in Elements(measured._repr_html_()).text


def test_a_report_is_written_as_the_command_line_writes_it(origin: Origin) -> None:
    report = mixed_report()

    assert report.as_text() == rendered(Form.TEXT, report, origin)
    assert report.as_json() + "\n" == rendered(Form.JSON, report, origin)
    assert report.as_html() == rendered(Form.HTML, report, origin)


def test_a_report_prints_as_one_short_line() -> None:
    words = repr(mixed_report())

    assert words == "<ModelReport of segmenter: ready with fallback, score 71.4, feature level 4, pytorch-mobile>"
