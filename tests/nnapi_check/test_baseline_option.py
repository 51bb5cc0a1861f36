"""Gates and baselines from the command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import nnapi_check
from nnapi_check.reports.json_format import to_json
from tests.nnapi_check.conftest import Run
from tests.reports.formats.junit_schema import check_junit

FORMATS = {
    "text": "Worse than the baseline: score, 100 before",
    "markdown": "| ❌ | score | 100 |",
    "github": "::error title=",
    "junit": "<failure",
    "sarif": "Worse than the baseline: score",
    "json": '"comparison": {',
}


@pytest.fixture
def better(tiny_model: Path, tmp_path: Path) -> Path:
    """A report on the model that says of level 1 what is true of level 3 only."""
    path = tmp_path / "better.json"
    report = nnapi_check.check(tiny_model, feature_level=3)
    path.write_text(to_json(replace(report, feature_level=1)), encoding="utf-8")
    return path


def test_a_report_of_today_is_a_baseline_for_tomorrow(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    made = run(tiny_model, "--feature-level", 1, "--output", f"json={path}")
    again = run(tiny_model, "--feature-level", 1, "--baseline", path)

    assert (made.exit_code, again.exit_code) == (1, 0), again.output
    assert "is let pass" in " ".join(again.stdout.split())
    assert json.loads(path.read_text(encoding="utf-8"))["comparison"] is None


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_worse_fails_and_is_told_in_every_format(form: str, run: Run, tiny_model: Path, better: Path) -> None:
    found = run(tiny_model, "--feature-level", 1, "--baseline", better, "--format", form)

    assert found.exit_code == 1
    assert FORMATS[form] in found.stdout
    if form == "junit":
        check_junit(found.stdout)


def test_a_baseline_is_never_overwritten_by_the_same_run(run: Run, tiny_model: Path, better: Path) -> None:
    found = run(tiny_model, "--feature-level", 1, "--baseline", better, "--output", f"json={better}")

    assert found.exit_code == 2
    assert "is read by this command" in found.stderr


def test_a_project_s_baseline_is_written_when_it_is_new_and_when_a_change_is_meant(
    run: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(
        "[tool.nnapi-check.level]\nfeature_level = 1\n[tool.nnapi-check.gate]\nbaseline = 'base.json'\n",
        encoding="utf-8",
    )

    missing = run(tiny_model)
    run(tiny_model, "--update-baseline")
    first = json.loads(Path("base.json").read_text(encoding="utf-8"))
    same = run(tiny_model)
    Path("base.json").write_text(json.dumps({**first, "score": 100.0}), encoding="utf-8")
    worse = run(tiny_model)
    run(tiny_model, "--update-baseline")

    assert (missing.exit_code, same.exit_code, worse.exit_code) == (2, 0, 1)
    assert "--update-baseline writes it" in missing.stderr
    assert "Compared with the baseline base.json" in " ".join(same.stdout.split())
    assert first["comparison"] is None
    assert json.loads(Path("base.json").read_text(encoding="utf-8"))["score"] == first["score"]


def test_a_baseline_that_nobody_named_is_not_written(run: Run, tiny_model: Path) -> None:
    found = run(tiny_model, "--feature-level", 1, "--update-baseline")

    assert found.exit_code == 2
    assert "No baseline is named" in found.stderr


def test_what_is_no_report_is_told_before_any_work(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{}")

    found = run(tiny_model, "--feature-level", 3, "--baseline", tmp_path / "no.json")

    assert found.exit_code == 2
    assert "is no report of nnapi-check: `schema_version`" in found.stderr


def test_a_file_that_is_too_large_is_not_written(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.pt"

    found = run("convert", tiny_model, "--feature-level", 3, "-o", output, "--no-verify", "--max-bytes", 1000)

    assert found.exit_code == 1
    assert "at most 1,000 were asked for" in " ".join(found.stdout.split())
    assert not output.exists()


@pytest.mark.parametrize(
    "options", [("--max-parts", 0), ("--min-integer-share", 1), ("--min-compute-share", 100), ("--ready-from", 2)]
)
def test_each_gate_of_the_command_line_asks(options: tuple[str, int], run: Run, tiny_model: Path) -> None:
    found = run(tiny_model, "--feature-level", 3, *options)

    assert found.exit_code == (0 if options[0] == "--min-compute-share" else 1), found.output
