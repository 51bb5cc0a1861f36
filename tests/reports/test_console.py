"""The report for a terminal."""

import re
from dataclasses import replace

import pytest

from nnapi_check.reports.console import to_text
from nnapi_check.reports.naming import place_words
from nnapi_check.reports.terminal import Detail, Paint, printable
from nnapi_check.reports.views import ModelReport
from tests.conftest import Golden
from tests.reports.sample_reports import (
    HOSTILE,
    estimated_report,
    hostile_report,
    mixed_report,
    quantized_report,
    ready_report,
)

PLAIN = Paint(is_colored=False)


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("mixed", mixed_report()),
        ("ready", ready_report()),
        ("quantized", quantized_report()),
        ("estimated", estimated_report()),
    ],
    ids=["mixed", "ready", "quantized", "estimated"],
)
def test_text_is_the_golden_one(name: str, report: ModelReport, golden: Golden) -> None:
    golden(f"console_{name}.txt", to_text(report, PLAIN))


@pytest.mark.parametrize("uncounted", [0, 2])
@pytest.mark.parametrize("report", [mixed_report(), quantized_report(), estimated_report()])
def test_no_line_is_wider_than_80_columns(report: ModelReport, uncounted: int) -> None:
    lines = to_text(replace(report, uncounted=uncounted), PLAIN).splitlines()

    assert [line for line in lines if len(line) > 80] == []


def test_long_path_is_left_whole() -> None:
    path = "/home/ada/" + "very-long-folder/" * 6 + "model.py"
    mixed = mixed_report()
    places = (replace(mixed.blockers[0].places[0], file=path),)

    text = to_text(replace(mixed, blockers=(replace(mixed.blockers[0], places=places),)), PLAIN)

    assert f"{path}:49" in text.split()


@pytest.mark.parametrize("width", [None, 80, 200])
def test_no_type_is_cut(width: int | None) -> None:
    mixed = mixed_report()
    many = tuple(f"f32[1,{index},112,144]" for index in range(40))

    text = to_text(replace(mixed, parts=(replace(mixed.parts[0], inputs=many),)), Paint(is_colored=False, width=width))

    assert set(many) <= {word.rstrip(",") for word in text.split()}
    assert "…" not in text


def test_shown_losses_sum_to_what_is_missing_of_the_shown_score() -> None:
    lines = to_text(mixed_report(), PLAIN).splitlines()
    start = lines.index("Where the 28.6 missing points were lost") + 1

    shown = re.findall(r"^ *([0-9]+\.[0-9])  ", "\n".join(lines[start : lines.index("", start)]), flags=re.MULTILINE)
    assert len(shown) == 9
    assert sum(map(float, shown)) == pytest.approx(100 - 71.4)


def test_levels_that_answer_alike_are_one_row() -> None:
    text = to_text(mixed_report(), PLAIN)

    assert [line.split("  ")[0] for line in text.splitlines() if " with fallback   " in line] == ["3 to 8 <"]


@pytest.mark.parametrize("detail", Detail)
def test_differences_that_need_no_action_are_listed_on_demand(detail: Detail) -> None:
    text = to_text(mixed_report(), PLAIN, detail)

    assert ("Channels stand last" in text) is (detail in (Detail.DIFFERENCES, Detail.VERBOSE))
    assert ("1 difference between PyTorch and NNAPI" in text) is (detail is Detail.USUAL)


@pytest.mark.parametrize("detail", Detail)
def test_what_to_change_is_left_out_of_the_verdict_alone(detail: Detail) -> None:
    text = to_text(mixed_report(), PLAIN, detail)

    assert ("What to change first" in text) is (detail is not Detail.QUIET)


@pytest.mark.parametrize("detail", Detail)
def test_tolerance_is_told_where_everything_is(detail: Detail) -> None:
    text = to_text(replace(mixed_report(), verification=None), PLAIN, detail)

    assert ("of the output's range" in text) is (detail is Detail.VERBOSE)


def test_nothing_deprecated_looks_ready() -> None:
    colored = Paint(is_colored=True)

    assert "\x1b[32mready" in to_text(ready_report(), colored)
    assert "\x1b[32m" not in to_text(replace(ready_report(), is_deprecated=True), colored)


def test_colors_only_where_they_are_wanted() -> None:
    assert "\x1b[" not in to_text(mixed_report(), PLAIN)
    assert "\x1b[33mready with fallback" in to_text(mixed_report(), Paint(is_colored=True))


def test_colored_text_has_the_same_words() -> None:
    colored = to_text(mixed_report(), Paint(is_colored=True))

    for code in ("\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"):
        colored = colored.replace(code, "")
    assert colored == to_text(mixed_report(), PLAIN)


def test_printable_text_has_no_control_characters() -> None:
    text = printable(to_text(hostile_report(), PLAIN))

    assert "\x1b" not in text
    assert HOSTILE.replace("\x1b", "\N{REPLACEMENT CHARACTER}") in text


def test_every_gate_reason_is_told() -> None:
    text = " ".join(to_text(mixed_report(), PLAIN).split())

    for reason in mixed_report().gate.reasons:
        assert reason in text


def test_place_without_a_source_line_is_its_module() -> None:
    found = mixed_report().blockers[0].places[0]

    assert place_words(replace(found, file=None, line=None)) == found.module
    assert place_words(replace(found, file=None, line=None, module="")) == "place not recorded"
