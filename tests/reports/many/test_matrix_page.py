"""A sweep as a page."""

import re
from dataclasses import replace

from nnapi_check.reports.many.matrix_page import matrix_html
from nnapi_check.reports.many.rows import FAILED
from tests.reports.many.sample_rows import sample_rows, sample_stays
from tests.reports.sample_reports import HOSTILE
from tests.reports.test_pages import Elements


def test_page_needs_no_network_and_every_element_is_closed() -> None:
    page = matrix_html(sample_rows(), sample_stays())
    elements = Elements(page)

    assert elements.open == []
    assert "http" not in page
    assert [value for name, value in elements.attributes if name in ("src", "href")] == []


def test_page_has_every_model_cell_and_cause() -> None:
    page = matrix_html(sample_rows(), sample_stays())
    text = Elements(page).text

    for row in sample_rows():
        assert row.subject in text
    for stay in sample_stays():
        assert stay.because in text
    assert "It was not answered within 5 seconds." in text
    assert len(re.findall(r"<td class", page)) == len(sample_rows())


def test_hostile_names_do_nothing() -> None:
    page = matrix_html(sample_rows(), sample_stays())

    assert HOSTILE not in page
    assert "<script>alert" not in page


def test_a_conversion_with_other_numbers_is_no_answer_and_says_why() -> None:
    row = replace(sample_rows()[2], verification=FAILED, difference=0.5, artifact_bytes=1_500_000)
    page = matrix_html([row], ())

    assert '<td class="no-answer" title="ready, ' in page
    assert "a file of 1.5 MB, 5e-01 of an output&#39;s range from PyTorch" in page
    assert "beyond its tolerance" in Elements(page).text
