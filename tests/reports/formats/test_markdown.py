"""The report for a comment on a pull request."""

import re

import pytest

from nnapi_check.reports.formats.findings import Origin
from nnapi_check.reports.formats.markdown import code, escaped, to_markdown
from nnapi_check.reports.views import ModelReport
from tests.conftest import Golden
from tests.reports.sample_reports import hostile_report, mixed_report, quantized_report, ready_report


def test_text_is_the_golden_one(golden: Golden, origin: Origin) -> None:
    golden("markdown_mixed.md", to_markdown(mixed_report(), origin))


@pytest.mark.parametrize(
    "report",
    [mixed_report(), ready_report(), quantized_report(), hostile_report()],
    ids=["mixed", "ready", "quantized", "hostile"],
)
def test_every_row_of_a_table_has_its_columns(report: ModelReport, origin: Origin) -> None:
    columns = 0
    for line in to_markdown(report, origin).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        columns = (columns or cells) if line.startswith("|") else 0
        assert cells == columns, line


def test_hostile_names_are_no_markup_and_mention_nobody(origin: Origin) -> None:
    text = to_markdown(hostile_report(), origin)

    outside = re.sub(r"`[^`\n]*`", "", text)
    assert re.search(r"(?<!\\)<script", outside) is None
    assert "\x1b" not in text
    assert escaped("@ada <b> [x](y)\n# | `") == "@\u200bada \\<b\\> \\[x\\](y) \\# \\| \\`"
    assert code("a`b|c\nd") == "`a'b\N{BROKEN BAR}c d`"


def test_the_mark_of_a_comment_stays_while_the_verdict_changes(origin: Origin) -> None:
    before, after = (to_markdown(report, origin).splitlines() for report in (mixed_report(), ready_report()))

    assert before[0].startswith("<!-- nnapi-check segmenter_one.pt/pytorch-mobile/")
    assert before[0].rpartition("/")[0] == after[0].rpartition("/")[0]
