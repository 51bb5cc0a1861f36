"""A user's cards, a project's file and a device's profile change what is said of a model, and what is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check import pipeline
from tests.nnapi_check.conftest import Run

OVERLAY = '["aten.relu.default"]\ngap = "Our devices get it wrong."\n'


def profile(folder: Path, **operations: object) -> Path:
    path = folder / "device.json"
    document = {"schema_version": 1, "device": "Made-up 1", "operations": operations}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def checked(run: Run, *arguments: object) -> dict[str, object]:
    found = run("check", *arguments, "--format", "json")
    document = json.loads(found.stdout)
    assert isinstance(document, dict)
    return document


def reasons(document: dict[str, object]) -> set[tuple[str, str]]:
    nodes = document["nodes"]
    assert isinstance(nodes, list)
    return {(node["op"], failure["reason"]) for node in nodes for failure in node["failures"]}


def test_an_overlay_keeps_an_op_on_the_cpu(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    cards = tmp_path / "cards.toml"
    cards.write_text(OVERLAY, encoding="utf-8")

    before = checked(run, tiny_model, "--api-level", 29)
    after = checked(run, tiny_model, "--api-level", 29, "--registry", cards)

    assert before["readiness"] == "ready"
    assert ("aten.relu.default", "NNC101") in reasons(after)
    assert after["readiness"] != "ready"
    assert "The cards of cards.toml are laid over the registry." in str(after["notes"])


def test_a_wrong_overlay_is_one_sentence_and_exit_code_2(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    cards = tmp_path / "cards.toml"
    cards.write_text('["aten.relu.default"]\nways = []\n', encoding="utf-8")

    found = run("check", tiny_model, "--api-level", 29, "--registry", cards)

    assert found.exit_code == 2
    assert "line 2: aten.relu.default: `ways` cannot be given" in found.stderr


def test_a_project_gives_level_gate_and_cards(
    tiny_model: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cards.toml").write_text(OVERLAY, encoding="utf-8")
    project = 'registry = "cards.toml"\n[level]\napi_level = 30\n[gate]\nrequire_ready = true\n'
    (tmp_path / "nnapi-check.toml").write_text(project, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    found = run("check", tiny_model, "--format", "json")

    assert found.exit_code == 1
    document = json.loads(found.stdout)
    assert document["api_level"] == 30
    assert ("aten.relu.default", "NNC101") in reasons(document)


def test_an_option_goes_before_the_project(
    tiny_model: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nnapi-check.toml").write_text("[level]\napi_level = 30\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    document = checked(run, tiny_model, "--feature-level", 5)

    assert (document["feature_level"], document["api_level"]) == (5, None)


def test_what_the_device_refuses_stays_on_the_cpu(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    device = profile(tmp_path, RELU={"TENSOR_FLOAT32": "refused"})

    document = checked(run, tiny_model, "--api-level", 29, "--device", device)

    assert ("aten.relu.default", "NNC802") in reasons(document)
    assert "Judged for Made-up 1, by its profile." in str(document["notes"])


def test_another_element_type_that_is_refused_changes_nothing(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    device = profile(tmp_path, RELU={"TENSOR_QUANT8_ASYMM": "refused"}, CONV_2D={"TENSOR_FLOAT16": "refused"})

    before = checked(run, tiny_model, "--api-level", 29)
    after = checked(run, tiny_model, "--api-level", 29, "--device", device)

    assert {key: value for key, value in after.items() if key != "notes"} == {
        key: value for key, value in before.items() if key != "notes"
    }


class Classifier(nn.Module):
    """Convolutions, and layers that speak of PyTorch's order: NNAPI changes the layout by a TRANSPOSE."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 24, (3, 2))
        self.second = nn.Conv2d(24, 20, (2, 3))
        self.last = nn.Linear(28, 40)

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        seen = torch.relu(self.second(torch.relu(self.first(photo))))
        return torch.softmax(self.last(seen), 1)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier, traced, in a file."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("classifier") / "model.pt"
    traced = torch.jit.trace(Classifier().eval(), torch.rand(1, 3, 26, 31))  # type: ignore[no-untyped-call]  # untyped
    torch.jit.save(traced, path)
    return path


def operations_of(run: Run, model: Path, output: Path, *options: object) -> set[str]:
    """NNAPI's operations in what a model is converted to."""
    found = run("convert", model, "--api-level", 29, "-o", output, "--no-verify", *options)
    assert found.exit_code == 0, found.stderr
    shown = run("inspect", output, "--all").stdout
    return set(re.findall(r"^ +\d+ ([A-Z][A-Z0-9_]+) ", shown, re.MULTILINE))


def test_the_classifier_uses_what_the_next_test_refuses(classifier: Path, tmp_path: Path, run: Run) -> None:
    found = operations_of(run, classifier, tmp_path / "out.pt")

    assert found == {"CONV_2D", "TRANSPOSE", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"}


@pytest.mark.parametrize("operation", ["CONV_2D", "TRANSPOSE", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"])
def test_no_converted_model_has_an_operation_that_the_device_refuses(
    classifier: Path, tmp_path: Path, run: Run, operation: str
) -> None:
    device = profile(tmp_path, **{operation: {"TENSOR_FLOAT32": "refused"}})

    found = operations_of(run, classifier, tmp_path / "out.pt", "--device", device)

    assert found
    assert operation not in found


class OnePixel(nn.Module):
    """A convolution to one pixel, whose layout changes by a RESHAPE that only lowering brings in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 24, (9, 8))

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        return torch.softmax(torch.relu(self.conv(photo)), 3)


def test_a_model_is_judged_once_however_often_it_is_planned_for_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = profile(tmp_path, RESHAPE={"TENSOR_FLOAT32": "refused"})
    calls: list[str] = []

    def counted(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            calls.append(name)
            return original(*arguments)

        return call

    for name in ("judge", "planned"):
        monkeypatch.setattr(pipeline, name, counted(name, getattr(pipeline, name)))

    nnapi_check.check(OnePixel().eval(), [torch.rand(1, 3, 9, 8)], api_level=29, device=device)

    assert calls.count("judge") == 1
    assert calls.count("planned") > 1


def test_a_device_that_refuses_everything_leaves_nothing_for_nnapi(classifier: Path, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "device.json"
    document = {"schema_version": 1, "device": "None", "unlisted": "refused", "operations": {}}
    path.write_text(json.dumps(document), encoding="utf-8")

    assert checked(run, classifier, "--api-level", 29, "--device", path)["readiness"] == "unsupported"


def test_a_wrong_profile_is_one_sentence_and_exit_code_2(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    found = run("check", tiny_model, "--api-level", 29, "--device", profile(tmp_path, RELUU="refused"))

    assert found.exit_code == 2
    assert "operations.RELUU: is not an operation of NNAPI" in found.stderr


def test_cards_without_a_table_that_can_be_found_are_refused_in_one_sentence(
    tiny_model: Path, tmp_path: Path, run: Run
) -> None:
    cards = tmp_path / "cards.toml"
    cards.write_text('["aten.relu.defa]]ult"]\nleave_to_cpu = "slow"\n', encoding="utf-8")

    found = run("check", tiny_model, "--api-level", 29, "--registry", cards)

    assert found.exit_code == 2
    assert "fault of nnapi-check" not in found.stderr
