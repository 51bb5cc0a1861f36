"""The report in a notebook."""

import pytest

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


def test_a_report_prints_as_one_short_line() -> None:
    words = repr(mixed_report())

    assert words == "<ModelReport of segmenter: ready with fallback, score 71.4, feature level 4, pytorch-mobile>"
