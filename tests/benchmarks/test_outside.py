"""The table of models of other packages, and which of them are still to be tried."""

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.converted_rows import Row, reasons
from benchmarks.measured_page import added
from benchmarks.outside import LEVELS, left, read_rows, table, tried
from benchmarks.outside_models import SUBJECTS

NAME = SUBJECTS[0].name
WHOLE = Row(NAME, 3, "ready", 100.0, 1, 1.0, 0, 2e-7, 1e-5, 1.5, 3.5, 1.02, 640, date="2026-01-02")


def test_levels_that_say_the_same_are_one_row_with_the_greatest_numbers() -> None:
    same = replace(WHOLE, level=5, error=3e-7, peak=700)
    other = replace(WHOLE, level=8, parts=2, share=0.9, obstacles=("3 aten.lgamma.default: NNAPI has none.",))

    lines = table({NAME: {row.level: row for row in (WHOLE, same, other)}}, lambda _: "1.2.3")

    start = f"| {NAME} | timm | images |"
    assert f"{start} 3, 5 | ready | 100.0 | 1 | 100.0% | 0 | 3e-07 | 1.5 | 3.5 | 1.02 | 700 |" in lines
    assert f"{start} 8 | ready | 100.0 | 2 | 90.0% | 0 | 2e-07 | 1.5 | 3.5 | 1.02 | 640 |" in lines
    assert lines[-1] == f"- `aten.lgamma.default` ({NAME}): NNAPI has none."
    assert "The packages are timm 1.2.3." in lines


def test_what_was_not_kept_is_told_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    added(replace(WHOLE, fault="off by 0.5 of the range"), path)
    for level in LEVELS[1:]:
        added(replace(WHOLE, level=level), path)
    rows = read_rows(path)

    assert left(SUBJECTS[:1], rows) == []
    assert left(SUBJECTS[:1], rows, again=True) == [(SUBJECTS[0], (3,))]
    assert any("**ready: off by 0.5 of the range**" in line for line in table(rows, lambda _: "1"))


def test_a_model_is_checked_converted_and_run(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()

    row = tried((model, (torch.rand(1, 3, 9, 11),)), "small", 3, tmp_path)

    assert (row.verdict, row.parts, row.share, row.fault) == ("ready", 1, 1.0, "")
    assert row.error is not None
    assert row.bound is not None
    assert row.error < row.bound
    assert row.size > 1


def test_a_model_that_has_no_answer_says_why(tmp_path: Path) -> None:
    row = tried((torch.nn.Linear(3, 4).eval(), (torch.rand(1, 5),)), "narrow", 3, tmp_path)

    assert row.verdict == ""
    assert row.fault.startswith("InputError: ")


def test_a_table_says_so_where_nothing_stays_on_the_cpu() -> None:
    assert list(reasons({"a model": {3: Row("a model", 3), 8: Row("a model", 8)}})) == [
        "Nothing stays on the CPU at level 8."
    ]
