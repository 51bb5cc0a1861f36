"""How much is printed, in colors or not, and what is told where something was left out or swapped."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

import nnapi_check
from nnapi_check.reports.terminal import Paint, printable
from nnapi_check.shown import Color, paint_of
from tests.nnapi_check.conftest import Run
from tests.nnapi_check.models import SHAPE, SPEC
from tests.registry_numbers import API_LEVELS, HIGHEST_LEVEL

RED = "\x1b[31m"


@pytest.mark.parametrize(
    ("color", "variables", "is_terminal", "is_colored"),
    [
        (Color.AUTO, {}, True, True),
        (Color.AUTO, {}, False, False),
        (Color.AUTO, {"NO_COLOR": "1"}, True, False),
        (Color.AUTO, {"NO_COLOR": ""}, True, True),
        (Color.AUTO, {"FORCE_COLOR": "1"}, False, True),
        (Color.AUTO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        (Color.ALWAYS, {"NO_COLOR": "1"}, False, True),
        (Color.NEVER, {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_an_option_goes_before_a_variable_and_that_before_the_terminal(
    color: Color, variables: dict[str, str], is_terminal: bool, is_colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)

    paint = paint_of({"color": color.value})

    assert paint.is_colored is is_colored
    assert (paint.width is None) is not is_terminal


def test_colored_output_reaches_a_pipe_where_it_is_asked_for(tiny_model: Path, run: Run) -> None:
    plain, colored = (run(tiny_model, "--api-level", 29, "--color", color).stdout for color in ("never", "always"))

    assert "\x1b" not in plain
    assert "\x1b[32mready" in colored


def test_of_control_characters_only_the_codes_of_colors_stay() -> None:
    paint = Paint(is_colored=True)
    words = paint.readiness("unsupported", "bad\x1b[2J\x1b]0;title\x07")

    assert printable(words, keeps_colors=True).startswith(f"{RED}bad")
    assert printable(words, keeps_colors=True).count("\x1b") == 2
    assert "\x1b" not in printable(words)


def test_quiet_prints_the_verdict_alone_and_verbose_everything(tiny_model: Path, run: Run) -> None:
    quiet, usual, verbose = (run(tiny_model, "--api-level", 29, *more).stdout for more in (["-q"], [], ["-v"]))

    assert len(quiet.splitlines()) < 6
    assert usual.startswith(quiet)
    assert "(--differences lists them)" in " ".join(usual.split())
    assert "Channels stand last" in verbose
    assert "of the output's range" in verbose
    assert "of the output's range" not in usual
    assert "Channels stand last" in run(tiny_model, "--api-level", 29, "--differences").stdout


def test_a_conversion_prints_what_a_check_did_not(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    made = run("convert", tiny_model, "--api-level", 29, "-o", tmp_path / "out.pt")

    assert made.exit_code == 0, made.stderr
    assert "Numbers against PyTorch" in made.stdout
    assert "Parts that become NNAPI models" not in made.stdout
    assert "Parts that become NNAPI models" in run("check", tiny_model, "--api-level", 29).stdout


def test_without_a_level_a_check_is_about_the_lowest_that_no_other_is_better_than(tiny_model: Path, run: Run) -> None:
    found = run(tiny_model, "--format", "json")

    document = json.loads(found.stdout)
    assert found.exit_code == 0
    assert (document["feature_level"], document["api_level"], document["readiness"]) == (3, None, "ready")
    assert any("No level was asked for" in note for note in document["notes"])
    best = max(level["score"] for level in document["levels"])
    assert next(level["level"] for level in document["levels"] if level["score"] == best) == 3


def test_a_conversion_asks_for_the_level(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    found = run("convert", tiny_model, "-o", tmp_path / "out.pt")

    assert found.exit_code == 2
    spans = f"Pass an API level (27 to {API_LEVELS[-1]}) or a feature level (1 to {HIGHEST_LEVEL})."
    assert found.stderr == f"nnapi-check: Which Android? {spans}\n"


@pytest.mark.parametrize("more", [(), ("--input", f"photo={SPEC}")])
def test_a_converted_file_is_no_model_to_check_or_convert(
    more: tuple[str, ...], tiny_model: Path, tmp_path: Path, run: Run
) -> None:
    output = tmp_path / "out.pt"
    assert run("convert", tiny_model, "--api-level", 29, "-o", output, "--no-verify").exit_code == 0

    checked = run("check", output, "--api-level", 29, *more)
    converted = run("convert", output, "--api-level", 29, "-o", tmp_path / "again.pt", *more)

    for found in (checked, converted):
        assert found.exit_code == 2
        assert found.stderr.startswith(f"nnapi-check: {output} is converted already: `nnapi-check inspect` shows")
    loaded = torch.jit.load(str(output))  # type: ignore[no-untyped-call]  # it has no types
    with pytest.raises(nnapi_check.InputError, match="is converted already"):
        nnapi_check.check(loaded, [torch.rand(SHAPE)], api_level=29)


def test_swapped_files_are_told_with_the_right_order(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.pt"
    assert run("convert", tiny_model, "--api-level", 29, "-o", output, "--no-verify").exit_code == 0

    found = run("verify", tiny_model, "--against", output)

    assert found.exit_code == 2
    assert f"`nnapi-check verify {output} --against {tiny_model}`" in found.stderr
    assert "swapped" not in run("verify", tiny_model, "--against", tiny_model).stderr
