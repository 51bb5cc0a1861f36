"""A sweep as a page."""

import re

from nnapi_check.reports.many.matrix_page import matrix_html
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
