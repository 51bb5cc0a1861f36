"""Reports in several formats from one run of the command line."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nnapi_check.conftest import Run
from tests.reports.formats.junit_schema import check_junit


def test_one_check_writes_several_reports_and_prints_another(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    sarif, suite, page = (tmp_path / name for name in ("r.sarif", "r.xml", "r.html"))

    found = run(
        tiny_model, "--feature-level", 3, "--min-score", 0, "--format", "github",
        "--output", f"sarif={sarif}", "--report", f"junit={suite}", "--output", f"html={page}",
    )  # fmt: skip

    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("::notice title=nnapi-check")
    assert json.loads(sarif.read_text(encoding="utf-8"))["version"] == "2.1.0"
    check_junit(suite.read_text(encoding="utf-8"))
    assert "<html" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["report.sarif", "sarif=", "pdf=report.pdf", "=report"])
def test_what_is_no_format_and_file_is_refused(text: str, run: Run, tiny_model: Path) -> None:
    found = run(tiny_model, "--feature-level", 3, "--output", text)

    assert found.exit_code == 2
    assert "is not FORMAT=FILE with a format of text, json, markdown, sarif, github, junit, html" in found.stderr


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the extras that a run makes."""
    names: list[str] = []

    def noted(module: str, name: str) -> None:
        real: Callable[..., object] = getattr(importlib.import_module(module), name)

        def call(*arguments: object) -> object:
            names.append(name)
            return real(*arguments)

        monkeypatch.setattr(f"{module}.{name}", call)

    noted("nnapi_check.reports.compose", "graph_view")
    noted("nnapi_check.pipeline", "file_view")
    return names


@pytest.mark.parametrize("form", ["text", "markdown", "sarif", "github", "junit"])
def test_what_a_format_does_not_show_is_not_made(form: str, run: Run, tiny_model: Path, made: list[str]) -> None:
    found = run(tiny_model, "--feature-level", 3, "--format", form)

    assert found.exit_code == 0, found.output
    assert made == []


def test_one_format_that_shows_the_graph_and_the_file_is_enough_to_make_them(
    run: Run, tiny_model: Path, tmp_path: Path, made: list[str]
) -> None:
    report = tmp_path / "report.json"

    found = run(tiny_model, "--feature-level", 3, "--output", f"json={report}")

    assert found.exit_code == 0, found.output
    assert sorted(made) == ["file_view", "graph_view"]
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["file"]["size"] == tiny_model.stat().st_size
    assert document["graph"]["levels"]
