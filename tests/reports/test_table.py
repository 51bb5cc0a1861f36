"""Tables of text."""

from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.reports.table import Fit, number, shortened, table, text

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


@given(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 10**6)), max_size=5))
def test_table_with_flexible_columns_fits_the_terminal(rows: list[tuple[str, str, int]]) -> None:
    lines = list(table((text("a", Fit.CUT), text("b", Fit.FOLD), number("c")), rows))

    assert all(len(line) <= 80 for line in lines)


@given(st.text(max_size=40), st.integers(3, 30))
def test_shortened_words_have_the_width_and_both_ends(words: str, width: int) -> None:
    found = shortened(words, width)

    assert len(found) <= width
    if len(words) > width:
        assert len(found) == width
        assert found[0] == words[0]
        assert found[-1] == words[-1]
