"""Tables of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.reports.table import Fit, number, table, text

WORDS = st.text(alphabet="abc ", min_size=0, max_size=60).map(lambda words: " ".join(words.split()))


def test_numbers_stand_on_the_right_and_words_on_the_left() -> None:
    lines = list(table((text("name"), number("count")), [("a", 5), ("long name", 123)]))

    assert lines == [
        "name       count",
        "---------  -----",
        "a              5",
        "long name    123",
    ]


def test_folded_cell_takes_several_lines() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"

    lines = list(table((text("id"), text("words", Fit.FOLD)), [("x", words)]))

    assert len(lines) == 4
    assert " ".join(" ".join(lines[2:]).split()) == f"x {words}"


def test_long_name_takes_a_line_of_its_own() -> None:
    name = "aten." + "very_" * 12 + "long"

    lines = list(table((text("name", Fit.OWN_LINE), text("words", Fit.FOLD)), [("short", "x y"), (name, "z " * 30)]))

    assert all(len(line) <= 80 for line in lines)
    assert name in lines
    assert lines[lines.index(name) + 1].strip().startswith("z z")


def test_table_without_rows_has_its_heading() -> None:
    assert list(table((text("a"), number("bcd")), [])) == ["a  bcd", "-  ---"]


@given(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 10**6)), max_size=5), st.integers(40, 200))
def test_table_of_short_words_fits_the_terminal(rows: list[tuple[str, str, int]], width: int) -> None:
    lines = list(table((text("a", Fit.FOLD), text("b", Fit.FOLD), number("c")), rows, width=width))

    assert all(len(line) <= width for line in lines)


NAMES = st.text(alphabet="abc._,", min_size=1, max_size=70)


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=4), st.none() | st.integers(40, 200))
def test_no_name_is_ever_cut(rows: list[tuple[str, str, str]], width: int | None) -> None:
    lines = list(table((text("a", Fit.FOLD), text("b", Fit.FOLD), text("c", Fit.FOLD)), rows, width=width))

    words = " ".join(lines).split()
    assert all(name in words for row in rows for name in row)


@pytest.mark.parametrize(
    ("width", "headings"),
    [(None, "first second third"), (62, "first second third"), (61, "first third"), (41, "first third"), (40, "first")],
)
def test_columns_are_left_out_by_their_importance(width: int | None, headings: str) -> None:
    columns = (text("first"), text("second", yields=2), text("third", yields=1))

    heading, *_ = table(columns, [("a" * 20, "b" * 19, "c" * 19)], width=width)

    assert " ".join(heading.split()) == headings
