"""A project's file holds defaults for its models, and says in which line it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.analyzer.errors import InputError
from nnapi_check.project_file import NAME, SHARED_NAME, Project, find_project, read_project
from nnapi_check.reports.gating.gate import Gate

WHOLE = """\
registry = "cards.toml"
device = "device.json"

[level]
api_level = 29

[gate]
min_score = 90
require_ready = true
strict = true
"""


def written(folder: Path, text: str) -> Path:
    path = folder / NAME
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_default(tmp_path: Path) -> None:
    (tmp_path / "cards.toml").touch()
    (tmp_path / "device.json").touch()
    path = written(tmp_path, WHOLE)

    assert read_project(path) == Project(
        path,
        tmp_path / "cards.toml",
        tmp_path / "device.json",
        29,
        None,
        Gate(90.0, requires_ready=True, is_strict=True),
    )


def test_is_found_in_a_directory_above(tmp_path: Path) -> None:
    path = written(tmp_path, "[level]\nfeature_level = 5\n")
    below = tmp_path / "models" / "new"
    below.mkdir(parents=True)

    assert find_project(below) == Project(path, feature_level=5)


def test_the_nearest_is_taken(tmp_path: Path) -> None:
    written(tmp_path, "[level]\nfeature_level = 5\n")
    below = tmp_path / "models"
    below.mkdir()
    written(below, "[level]\nfeature_level = 3\n")

    assert find_project(below).feature_level == 3


def test_pyproject_toml_holds_the_same(tmp_path: Path) -> None:
    (tmp_path / SHARED_NAME).write_text(
        '[tool.other]\nlevel = 3\n[tool.nnapi-check]\ntarget = "ndk"\n[tool.nnapi-check.gate]\nmax_parts = 2\n'
        "min_compute_share = 80\nmin_integer_share = 50.5\nready_from = 3\nmax_bytes = 1_000\n"
        "require_worthwhile = true\n",
        encoding="utf-8",
    )

    gate = Gate(
        requires_worthwhile=True,
        min_compute_share=80.0,
        min_integer_share=50.5,
        max_parts=2,
        ready_from=3,
        max_bytes=1000,
    )
    assert find_project(tmp_path) == Project(tmp_path / SHARED_NAME, gate=gate, target="ndk")


def test_a_file_of_its_own_goes_before_pyproject_toml(tmp_path: Path) -> None:
    (tmp_path / SHARED_NAME).write_text("[tool.nnapi-check.level]\nfeature_level = 5\n", encoding="utf-8")
    path = written(tmp_path, "[level]\nfeature_level = 3\n")

    assert find_project(tmp_path) == Project(path, feature_level=3)


@pytest.mark.parametrize("text", ["[project]\nname = 'x'\n", "not toml", "[project]\nname = 'uses nnapi-check'\n"])
def test_pyproject_toml_that_says_nothing_of_this_tool_sets_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / SHARED_NAME).write_text(text, encoding="utf-8")

    assert find_project(tmp_path) == Project()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[tool.other]\nmax_parts = -1\n[tool.nnapi-check.gate]\nmax_parts = -1\n", 4, "must not be below 0"),
        ("[tool.nnapi-check.gates]\n", 1, "`gates` is not a key"),
        ("[tool]\nnnapi-check = 3\n", 2, "`nnapi-check` must be a table"),
    ],
)
def test_what_is_wrong_in_pyproject_toml_is_told_with_its_line(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    (tmp_path / SHARED_NAME).write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=f"line {line}: .*{message}"):
        find_project(tmp_path)


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    assert find_project(tmp_path) == Project()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('\nregistri = "x"\n', 2, "`registri` is not a key of a project file"),
        ("[gate]\nminscore = 1\n", 2, r"`minscore` is not a key of \[gate\]"),
        ("[gates]\n", 1, "`gates` is not a key"),
        ("level = 29\n", 1, "`level` must be a table"),
        ("[level]\napi_level = 29\nfeature_level = 3\n", 3, "api_level or feature_level, not both"),
        ('[level]\napi_level = "29"\n', 2, "must be a whole number"),
        ("[gate]\nmin_score = 101\n", 2, "must be a number from 0 to 100"),
        ("[gate]\nmin_score = true\n", 2, "must be a number from 0 to 100"),
        ("[gate]\nrequire_ready = 1\n", 2, "must be true or false"),
        ('registry = "none.toml"\n', 1, "none.toml is not there"),
        ("device = 1\n", 1, "must be the name of a file"),
        ('target = "coreml"\n', 1, "must be one of pytorch-mobile, ndk, auto, found 'coreml'"),
        ('per_channel = "none"\n', 1, "must be one of split, requantize, equalize, float, cpu, found 'none'"),
        ("[gate\n", 1, "line 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_project(written(tmp_path, text))

    assert f"line {line}" in str(caught.value)
