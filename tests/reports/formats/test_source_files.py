"""Paths that a reader on another machine understands."""

from pathlib import Path

import pytest

from nnapi_check.reports.formats.source_files import SourceFile, repository, source_file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "repo" / "vision" / "models").mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "repo" / "vision" / "models" / "segmenter.py").write_text("")
    (tmp_path / "outside.py").write_text("")
    return tmp_path / "repo"


@pytest.mark.parametrize(
    "name",
    [
        "vision/models/segmenter.py",
        "./vision/../vision/models/segmenter.py",
        "/home/ada/work/vision/models/segmenter.py",
        "C:\\Users\\ada\\vision\\models\\segmenter.py",
        "{root}/vision/models/segmenter.py",
    ],
)
def test_file_of_the_repository_is_named_relative_to_it(name: str, root: Path) -> None:
    found = source_file(name.replace("{root}", str(root)), root, root)

    assert found == SourceFile("vision/models/segmenter.py", is_inside=True)


def test_file_is_found_from_the_working_folder(root: Path) -> None:
    found = source_file("models/segmenter.py", root, root / "vision")

    assert found == SourceFile("vision/models/segmenter.py", is_inside=True)


def test_file_of_a_package_is_named_by_the_package_even_inside_the_repository(root: Path) -> None:
    inside = root / ".venv/lib/python3.11/site-packages/torchvision/models/swin.py"
    inside.parent.mkdir(parents=True)
    inside.write_text("")

    assert source_file(str(inside), root, root) == SourceFile("torchvision/models/swin.py", is_inside=False)


@pytest.mark.parametrize("name", ["/elsewhere/segmenter.py", "<string>", "../outside.py", "a\0b", "", "x" * 5000])
def test_what_is_not_of_the_repository_is_told_as_it_is(name: str, root: Path) -> None:
    assert source_file(name, root, root) == SourceFile(name, is_inside=False)


def test_repository_is_the_folder_with_git_s_own_or_the_working_folder(root: Path) -> None:
    assert repository(root / "vision" / "models") == root.resolve()
    assert repository(root.parent) == root.parent.resolve()
