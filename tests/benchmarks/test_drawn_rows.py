"""A run of draws goes on where it was ended, and tells what was beyond its bound then too."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.drawn_rows import Draw, run


@dataclass
class Found:
    """A row that was made up."""

    words: str
    beyond: list[str] = field(default_factory=list)


def test_subject_with_a_row_is_drawn_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn: list[str] = []

    def draw(name: str, *beyond: str) -> tuple[str, Draw]:
        def made(draws: int, seed: int) -> Found:
            drawn.append(name)
            return Found(f"{draws} draws of seed {seed}", list(beyond))

        return name, made

    options = ["--lines", str(tmp_path / "rows.txt"), "--draws", "3"]

    assert run("Draws.", [draw("first", "a step too many")], [*options, "--only", "first"]) == 1
    assert run("Draws.", [draw("first"), draw("second")], options) == 1
    assert drawn == ["first", "second"]
    assert run("Draws.", [draw("third")], [*options, "--minutes", "0"]) == 1
    assert drawn == ["first", "second"]
    assert "The time is over" in capsys.readouterr().out
    assert (tmp_path / "rows.txt").read_text().splitlines() == [
        "first: 3 draws of seed 0",
        "    a step too many",
        "second: 3 draws of seed 0",
    ]
