"""A run of draws goes on where it was ended, and tells what was beyond its bound then too."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.drawn_rows import Draw, read_rows, run


@dataclass
class Found:
    """A row that was made up."""

    cells: dict[str, str]
    beyond: list[str] = field(default_factory=list)


def test_subject_with_a_row_is_drawn_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn: list[str] = []

    def draw(name: str, *beyond: str) -> tuple[str, Draw]:
        def made(draws: int, seed: int) -> Found:
            drawn.append(name)
            return Found({"accepted": str(draws), "of seed": str(seed)}, list(beyond))

        return name, made

    options = ["--lines", str(tmp_path / "rows.txt"), "--draws", "3"]

    assert run("Draws.", [draw("first", "a step too many")], [*options, "--only", "first"]) == 1
    assert run("Draws.", [draw("first"), draw("second")], options) == 1
    assert drawn == ["first", "second"]
    assert run("Draws.", [draw("third")], [*options, "--minutes", "0"]) == 1
    assert drawn == ["first", "second"]
    assert "The time is over" in capsys.readouterr().out
    assert [row.words for row in read_rows(tmp_path / "rows.txt").values()] == [
        "first: 3 accepted, 0 of seed\n    a step too many",
        "second: 3 accepted, 0 of seed",
    ]


def test_page_tells_what_was_drawn_what_is_beyond_and_what_is_left(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- table -->\nold\n<!-- end -->\nAfter.\n")
    subjects: list[tuple[str, Draw]] = [
        ("kept", lambda draws, _: Found({"accepted": str(draws)})),
        ("broken", lambda draws, _: Found({"accepted": str(draws)}, ["2 steps"])),
        ("left", lambda draws, _: Found({"accepted": str(draws)})),
    ]
    options = ["--lines", str(tmp_path / "rows"), "--draws", "4", "--seed", "7", "--only", "kept", "--only", "broken"]

    assert run("Draws.", subjects, [*options, "--write"], page) == 1

    text = page.read_text()
    assert text.startswith("Before.\n<!-- table -->\nMeasured 2")
    assert text.endswith("<!-- end -->\nAfter.\n")
    assert "| `kept` | 4 | 7 | 4 |" in text
    assert "- 2 of 3 rules were drawn, 8 times in all; beyond their bound: 1.\n- `broken`: 2 steps" in text
    assert "- Not drawn yet: `left`." in text
