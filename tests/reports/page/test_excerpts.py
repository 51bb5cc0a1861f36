"""Excerpts of sources."""

from pathlib import Path

import pytest

from nnapi_check.reports.page.excerpts import Excerpt, Sources


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "model.py").write_text("".join(f"line {number}\n" for number in range(1, 21)), encoding="utf-8")
    return folder


def test_three_lines_on_either_side_are_shown(project: Path) -> None:
    found = Sources((project,)).around(str(project / "model.py"), 10)

    assert found == Excerpt(7, tuple(f"line {number}" for number in range(7, 14)))


@pytest.mark.parametrize(("line", "first", "count"), [(1, 1, 4), (20, 17, 4)])
def test_excerpts_end_with_the_file(project: Path, line: int, first: int, count: int) -> None:
    found = Sources((project,)).around(str(project / "model.py"), line)

    assert found is not None
    assert (found.first, len(found.lines)) == (first, count)


@pytest.mark.parametrize("line", [0, 21, -3])
def test_line_that_the_file_has_not_has_no_excerpt(project: Path, line: int) -> None:
    assert Sources((project,)).around(str(project / "model.py"), line) is None


def test_files_elsewhere_are_not_read_though_a_model_names_them(project: Path) -> None:
    secret = project.parent / "secret.py"
    secret.write_text("KEY = 1\n", encoding="utf-8")
    (project / "linked.py").symlink_to(secret)
    (project / "notes.txt").write_text("a secret\n", encoding="utf-8")
    sources = Sources((project,))

    assert sources.around(str(secret), 1) is None
    assert sources.around(str(project / ".." / "secret.py"), 1) is None
    assert sources.around(str(project / "linked.py"), 1) is None
    assert sources.around(str(project / "notes.txt"), 1) is None


@pytest.mark.parametrize("name", ["\0.py", "", "x" * 5000 + ".py", "gone.py"])
def test_names_that_no_file_has_have_no_excerpt(project: Path, name: str) -> None:
    assert Sources((project,)).around(name, 1) is None


def test_bytes_that_are_no_text_and_long_lines_are_no_trouble(project: Path) -> None:
    (project / "odd.py").write_bytes(b"\xff\xfe" + b"y" * 10_000 + b"\n")

    found = Sources((project,)).around(str(project / "odd.py"), 1)

    assert found is not None
    assert len(found.lines[0]) == 160
