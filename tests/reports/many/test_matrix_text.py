"""A sweep as text and as Markdown."""

import re

from nnapi_check.reports.many.matrix_text import matrix_lines, matrix_markdown
from tests.conftest import Golden
from tests.reports.many.sample_rows import sample_rows


def test_text_is_the_golden_one(golden: Golden) -> None:
    golden("matrix.txt", "\n".join(matrix_lines(sample_rows()[:-1])) + "\n")


def test_no_line_is_wider_than_80_columns_and_an_error_is_told_once() -> None:
    lines = list(matrix_lines(sample_rows()))

    assert [line for line in lines if len(line) > 80] == []
    assert sum("not answered within" in line for line in lines) == 1


def test_every_row_of_markdown_has_its_columns() -> None:
    lines = [line for line in matrix_markdown(sample_rows()) if line.startswith("|")]

    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    assert "<script" not in re.sub(r"`[^`]*`", "", "\n".join(lines))
