"""The model that the README's first command runs on."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import nnapi_check
from nnapi_check.analyzer.capture.capture import capture

EXAMPLES = Path(__file__).parent.parent / "examples"
MODEL = EXAMPLES / "small_segmenter.pt"


def test_model_is_small_enough_to_be_committed() -> None:
    assert MODEL.stat().st_size < 150_000


@pytest.mark.parametrize(("api_level", "target"), [(28, "auto"), (28, "ndk"), (29, "pytorch-mobile"), (35, "auto")])
def test_model_is_ready(api_level: int, target: str) -> None:
    report = nnapi_check.check(MODEL, api_level=api_level, target=target, requires_ready=True)

    assert report.gate.is_passed, report.gate.reasons
    assert report.score == 100


def test_no_target_carries_the_model_to_the_oldest_android() -> None:
    report = nnapi_check.check(MODEL, api_level=27, target="auto")

    assert not report.gate.is_passed
    assert report.misfit is not None
    assert "Raise the level to feature level 2 (API level 28)" in report.misfit.fix


def test_converted_model_computes_the_same(tmp_path: Path) -> None:
    report = nnapi_check.convert(MODEL, tmp_path / "out.pt", api_level=30, layers=True)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert (tmp_path / "out.pt").stat().st_size < 1.05 * MODEL.stat().st_size


def test_script_makes_the_committed_model(tmp_path: Path) -> None:
    script = EXAMPLES / "make_small_segmenter.py"

    subprocess.run([sys.executable, "-W", "ignore", script, tmp_path / "made.pt"], check=True)

    made, committed = (capture(path, None, weights=False).graph for path in (tmp_path / "made.pt", MODEL))
    assert [node.op for node in made.nodes()] == [node.op for node in committed.nodes()]
    assert [value.type for value in made.values] == [value.type for value in committed.values]


def test_places_name_the_script() -> None:
    places = {place.file for blocker in nnapi_check.check(MODEL, api_level=27).blockers for place in blocker.places}

    assert places == {"examples/make_small_segmenter.py"}


def test_script_needs_torch_only() -> None:
    names = runpy.run_path(str(EXAMPLES / "make_small_segmenter.py"), run_name="imported")

    assert {name for name in ("torchvision", "numpy", "nnapi_check") if name in names} == set()
