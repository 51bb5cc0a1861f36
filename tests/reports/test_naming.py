"""How values are named in a report."""

import pytest

from nnapi_check.reports.naming import types_words


@pytest.mark.parametrize(
    ("types", "words"),
    [
        ([], ""),
        (["f32[1,4]"], "f32[1,4]"),
        (["f32[8]", "f32[1,4]", "f32[8]", "f32[8]"], "3 \N{MULTIPLICATION SIGN} f32[8], f32[1,4]"),
    ],
)
def test_types_that_are_the_same_are_counted(types: list[str], words: str) -> None:
    assert types_words(types) == words
