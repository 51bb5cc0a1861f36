"""The JSON schema and the file that holds it."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from nnapi_check.reports import schema


def test_committed_schema_is_not_stale() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nnapi_check.reports.schema", "--check"], capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr.decode()


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(dict(schema.report_schema()))


def test_check_finds_a_stale_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema, "SCHEMA_FILE", tmp_path / "schema" / "report-1.json")
    assert schema.main(["--check"]) == 1
    assert "python -m nnapi_check.reports.schema --write" in capsys.readouterr().err

    assert schema.main(["--write"]) == 0

    assert schema.main(["--check"]) == 0


def test_without_arguments_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main([]) == 0
    assert capsys.readouterr().out == schema.SCHEMA_FILE.read_text(encoding="utf-8")


def test_unknown_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--nonsense"]) == 2
    assert "usage" in capsys.readouterr().err
