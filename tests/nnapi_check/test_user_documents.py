"""Cards, project files, device profiles and baselines: whatever stands anywhere in one, the answer is a sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.coverage_db.errors import UserError
from nnapi_check.project_file import read_project

ODD: tuple[object, ...] = (
    *(0, -1, 1 << 62, 10**400, 1.5, True, "", "x" * 5000, "two\nlines", "\x1b[31m", "CONV_2D", [], {}, [[]], [1, "a"]),
    *({"two\nlines": 1}, {"": {}}, [{}], {"a": {"b": {"c": {"d": {"e": 1}}}}}),
)
_LONGEST = 1500


class _Model(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 4), nn.ReLU())


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return _Model().eval()


def _check(model: nn.Module, **options: Path) -> object:
    return nnapi_check.check(model, [torch.rand(2, 3)], api_level=29, **options)  # type: ignore[arg-type]  # by name


READERS: dict[str, Callable[[nn.Module, Path], object]] = {
    "cards.toml": lambda model, path: _check(model, overlay=path),
    "nnapi-check.toml": lambda _, path: read_project(path),
    "device.json": lambda model, path: _check(model, device=path),
    "baseline.json": lambda model, path: _check(model, baseline=path),
}


def _honest(name: str, model: nn.Module) -> dict[str, Any]:
    match name:
        case "cards.toml":
            small = {"kind": "at-most", "arg": "self.numel", "value": 1000}
            needed = {"id": "small", "check": small, "because": "Ours is slow with more.", "fix": "Split the tensor."}
            return {"aten.relu.default": {"requires": [needed]}, "aten.tanh.default": {"gap": "Wrong.", "source": "x"}}
        case "nnapi-check.toml":
            return {
                "target": "ndk",
                "device": "phone.json",
                "level": {"api_level": 29},
                "gate": {"min_score": 90.0, "require_ready": True, "max_parts": 1},
            }
        case "device.json":
            operations = {"CONV_2D": {"TENSOR_FLOAT32": "accepted"}, "TRANSPOSE": "refused"}
            return {"schema_version": 1, "device": "phone", "unlisted": "accepted", "operations": operations}
        case _:
            found: dict[str, Any] = json.loads(nnapi_check.check(model, [torch.rand(2, 3)], api_level=29).as_json())
            return found


def _changed(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The document with each odd value at each place, and with odd keys in each table."""
    for path in list(_places(document)):
        for odd in ODD:
            found = copy.deepcopy(document)
            holder: Any = found
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = odd
            yield found
    for key in ("two\nlines", "x" * 5000, "", "\x1b[31m"):
        yield {**document, key: 1}
        yield {**document, key: {key: {key: [key]}}}


def _places(item: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, part in list(pairs)[:12]:
        yield (*path, key)
        if len(path) < 3:
            yield from _places(part, (*path, key))


def _toml(item: object) -> str:
    match item:
        case bool():
            return str(item).lower()
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_toml(part)}" for key, part in item.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, item)) + "]"
        case str():
            return json.dumps(item)
        case _:
            return str(item)


def _text(name: str, document: dict[str, Any]) -> str:
    if name.endswith(".json"):
        return json.dumps(document)
    return "".join(f"{json.dumps(key)} = {_toml(part)}\n" for key, part in document.items())


def _answer(name: str, text: str, model: nn.Module, folder: Path) -> str:
    """The sentence that a document is refused with; nothing where it is read."""
    (folder / "phone.json").touch()
    path = folder / name
    path.write_text(text, encoding="utf-8")
    try:
        READERS[name](model, path)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_whatever_stands_at_a_place_is_refused_in_one_sentence_or_read(
    name: str, model: nn.Module, tmp_path: Path
) -> None:
    document = _honest(name, model)
    assert not _answer(name, _text(name, document), model, tmp_path)

    answers = [_answer(name, _text(name, changed), model, tmp_path) for changed in _changed(document)]

    assert not [found for found in answers if len(found.splitlines()) > 1 or len(found) > _LONGEST]
    assert sum(bool(found) for found in answers) > len(answers) / 3


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("levels", [70, 400, 900, 990, 5000, 100_000])
def test_what_stands_too_deep_is_refused(name: str, levels: int, model: nn.Module, tmp_path: Path) -> None:
    document = _honest(name, model)
    key = next(iter(document))
    inside = "[" * levels + "]" * levels
    text = _text(name, {**document, key: "@"}).replace('"@"', inside)

    assert " deep in one another" in _answer(name, text, model, tmp_path)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("digits", [30, 4299, 4301, 100_000])
def test_a_whole_number_without_end_is_refused(name: str, digits: int, model: nn.Module, tmp_path: Path) -> None:
    document = _honest(name, model)
    key = next(iter(document))
    text = _text(name, {**document, key: "@"}).replace('"@"', "9" * digits)

    assert "more than 64 bits" in _answer(name, text, model, tmp_path)
