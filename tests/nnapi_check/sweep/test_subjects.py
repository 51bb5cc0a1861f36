"""What a sweep is about."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from nnapi_check.analyzer.errors import InputError
from nnapi_check.sweep.subjects import Builder, subjects_of


def listed(module: str, pattern: str) -> Sequence[str]:
    return ("one", "two") if (module, pattern) == ("my.zoo", "*") else ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.pt", "a.ptl", "below/c.pt2", ".cache/d.pt", "notes.txt", "sub/e.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def names(*texts: object) -> list[str]:
    return [subject.name for subject in subjects_of([str(text) for text in texts], listed)]


def test_a_folder_holds_model_files_in_order_without_hidden_ones(folder: Path) -> None:
    assert names(folder) == [str(folder / name) for name in ("a.ptl", "b.pt", "below/c.pt2")]


def test_a_file_is_taken_whatever_its_name(folder: Path) -> None:
    assert names(folder / "notes.txt") == [str(folder / "notes.txt")]


def test_a_pattern_names_files(folder: Path) -> None:
    assert names(folder / "**/*.pt2", folder / "?.pt") == [str(folder / "below/c.pt2"), str(folder / "b.pt")]


def test_a_function_of_a_module_builds_one() -> None:
    assert subjects_of(["my.zoo:tiny"], listed) == (Builder("my.zoo", "tiny"),)
    assert names("my.zoo:*") == ["my.zoo:one", "my.zoo:two"]


def test_what_is_named_twice_is_asked_once(folder: Path) -> None:
    assert names(folder / "b.pt", folder) == [str(folder / name) for name in ("b.pt", "a.ptl", "below/c.pt2")]


@pytest.mark.parametrize(
    "text", ["nowhere.pt", "{folder}/sub", "{folder}/*.onnx", "other.zoo:*", "a b:c", "C:model"[2:]]
)
def test_what_names_no_model_is_refused(text: str, folder: Path) -> None:
    with pytest.raises(InputError, match="names no model"):
        names(text.replace("{folder}", str(folder)))
