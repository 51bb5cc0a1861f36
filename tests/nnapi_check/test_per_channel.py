"""What becomes of scales per channel is chosen once, and a check, a conversion and a verification say the same."""

import json
from pathlib import Path

import pytest

import nnapi_check
from nnapi_check.coverage_db.targets import PerChannelChoice
from nnapi_check.lowering.compositions import products_by_scale
from nnapi_check.lowering.emission.channel_recipes import places
from nnapi_check.project_file import NAME
from tests.nnapi_check.conftest import Run
from tests.nnapi_check.quantized_models import traced_channels

WORDS = {
    "split": "2 as integers in groups of like scales, rounded",
    "requantize": "2 as integers of one scale, rounded",
    "float": "2 as floats",
    "cpu": "2 on the CPU",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return traced_channels(tmp_path_factory.mktemp("models") / "channels.pt")


@pytest.mark.parametrize("choice", [choice.value for choice in PerChannelChoice])
def test_a_report_says_what_was_chosen_and_what_became_of_each_layer(model: Path, choice: str) -> None:
    report = nnapi_check.check(model, feature_level=3, per_channel=choice)

    assert report.per_channel == choice
    assert any(WORDS[choice] in note and f"--per-channel {choice};" in note for note in report.notes)


@pytest.mark.parametrize(("choice", "share"), [("split", 1.0), ("requantize", 1.0), ("float", 0.0)])
def test_what_is_chosen_is_converted_and_holds(model: Path, tmp_path: Path, choice: str, share: float) -> None:
    checked = nnapi_check.check(model, feature_level=3, per_channel=choice)

    made = nnapi_check.convert(model, tmp_path / "out.pt", feature_level=3, per_channel=choice, layers=True)
    verified = nnapi_check.verify(tmp_path / "out.pt", model, layers=True)

    assert made.work.integers == share * made.multiply_adds > -1
    assert made.verification is not None
    assert made.verification.is_within_tolerance
    assert verified.is_within_tolerance
    assert checked.tolerance == made.tolerance == made.verification.tolerance == verified.tolerance


def test_the_target_that_carries_scales_keeps_them_whatever_is_chosen(model: Path) -> None:
    found = [
        nnapi_check.check(model, feature_level=3, target="ndk", per_channel=choice.value) for choice in PerChannelChoice
    ]

    assert all(any("2 as integers with these scales" in note for note in report.notes) for report in found)
    assert len({report.score for report in found}) == 1


@pytest.mark.parametrize("choice", ["split", "requantize"])
def test_a_package_of_other_weights_is_a_fault(model: Path, tmp_path: Path, choice: str) -> None:
    nnapi_check.convert(model, tmp_path / "out.pt", feature_level=3, per_channel=choice)

    found = nnapi_check.verify(tmp_path / "out.pt", traced_channels(tmp_path / "other.pt", seed=5))

    assert not found.is_within_tolerance


def test_channels_in_another_order_are_a_fault(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products_by_scale, "places", lambda numbers: places(sorted(numbers)))

    made = nnapi_check.convert(model, tmp_path / "out.pt", feature_level=3)

    assert made.verification is not None
    assert not made.verification.is_within_tolerance


def test_few_scales_are_not_rounded_to_others(tmp_path: Path) -> None:
    # Of 8 channels or less, each may have a scale of its own.
    model = traced_channels(tmp_path / "few.pt", spread=1)

    report = nnapi_check.check(model, feature_level=3)

    (bound,) = {node.bound for node in report.nodes if node.op.startswith("quantized.conv")}
    assert (bound or "").startswith("At most 1 step from PyTorch's own, on about 0.")


def test_the_choice_is_an_option_and_a_key_of_the_project(
    model: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_text('per_channel = "float"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    by_file = run("check", model, "--feature-level", 3, "--format", "json")
    by_option = run("check", model, "--feature-level", 3, "--format", "json", "--per-channel", "requantize")

    assert json.loads(by_file.output)["per_channel"] == "float"
    assert json.loads(by_option.output)["per_channel"] == "requantize"


def test_compare_prints_a_row_for_every_choice(model: Path, run: Run) -> None:
    found = run("compare", model, "--feature-level", 3)

    lines = found.output.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:] if line and line.split()[0] in WORDS}
    assert found.exit_code == 0
    assert list(rows) == ["split", "requantize", "float", "cpu"]
    assert [rows[choice][1] for choice in rows] == ["100.0%", "100.0%", "0.0%", "0.0%"]
    assert float(rows["split"][-1]) > float(rows["requantize"][-1])


def test_compare_tells_programs_the_same(model: Path, run: Run) -> None:
    found = json.loads(run("compare", model, "--feature-level", 3, "--format", "json").output)

    assert [way["per_channel"] for way in found["ways"]] == ["split", "requantize", "float", "cpu"]
    assert [way["bytes"] is None for way in found["ways"]] == [False, False, False, True]
    assert all(way["is_within_tolerance"] for way in found["ways"])
