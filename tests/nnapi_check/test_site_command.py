"""The command that writes the registry as a site."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from nnapi_check.lowering.examples.measured_errors import MeasuredExample, measurements, write_measurements
from tests.nnapi_check.conftest import Run


def test_site_is_written_and_told_of(tmp_path: Path, run: Run) -> None:
    found = run("db", "site", tmp_path / "site")

    assert found.exit_code == 0
    assert found.stdout == ""
    assert str(tmp_path / "site" / "index.html") in found.stderr
    assert (tmp_path / "site" / "ops" / "aten.relu.default.html").is_file()


def test_measured_errors_are_shown(tmp_path: Path, run: Run) -> None:
    item = MeasuredExample("aten.max_pool2d.default", "operation", "stride left out", 1, 0.0, 0.0, None)
    other = MeasuredExample("aten.max_pool2d.default", "operation", "strided and padded", 3, 1.5e-4, 2.5e-5, None)
    write_measurements(measurements("PyTorch 9.9", [item, other]), tmp_path / "errors.json")

    found = run("db", "site", tmp_path / "site", "--measurements", tmp_path / "errors.json")
    page = (tmp_path / "site" / "ops" / "aten.max_pool2d.default.html").read_text(encoding="utf-8")

    assert found.exit_code == 0
    assert "1.5e-04, 2.5e-05 of the range" in page
    assert "PyTorch 9.9" in page


def test_folder_of_others_is_refused_in_one_sentence(tmp_path: Path, run: Run) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")

    found = run("db", "site", tmp_path)

    assert found.exit_code == 2
    assert found.stderr.startswith("nnapi-check: ")
    assert found.stderr.count("\n") == 1
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_measurements_that_are_none_are_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "errors.json").write_text("[]", encoding="utf-8")

    found = run("db", "site", tmp_path / "site", "--measurements", tmp_path / "errors.json")

    assert found.exit_code == 2
    assert "does not hold measured errors" in found.stderr
    assert not (tmp_path / "site").exists()


def test_site_is_written_without_pytorch(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        "from nnapi_check.cli import main\n"
        f"main(['db', 'site', {str(tmp_path / 'site')!r}])\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
