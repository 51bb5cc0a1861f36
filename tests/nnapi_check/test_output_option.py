"""Reports in several formats from one run of the command line."""

import json
from pathlib import Path

import pytest

from tests.nnapi_check.conftest import Run


def test_one_check_writes_several_reports_and_prints_another(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    sarif, suite, page = (tmp_path / name for name in ("r.sarif", "r.xml", "r.html"))

    found = run(
        tiny_model, "--feature-level", 3, "--min-score", 0, "--format", "github",
        "--output", f"sarif={sarif}", "--report", f"junit={suite}", "--output", f"html={page}",
    )  # fmt: skip

    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("::notice title=nnapi-check")
    assert json.loads(sarif.read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert suite.read_text(encoding="utf-8").startswith("<?xml")
    assert "<html" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["report.sarif", "sarif=", "pdf=report.pdf", "=report"])
def test_what_is_no_format_and_file_is_refused(text: str, run: Run, tiny_model: Path) -> None:
    found = run(tiny_model, "--feature-level", 3, "--output", text)

    assert found.exit_code == 2
    assert "is not FORMAT=FILE with a format of text, json, markdown, sarif, github, junit, html" in found.stderr
