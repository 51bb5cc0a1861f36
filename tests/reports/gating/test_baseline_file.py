"""An earlier report is read from its file, and what is no report is refused in one sentence."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from nnapi_check.analyzer.errors import InputError
from nnapi_check.reports.gating.baseline import facts_of
from nnapi_check.reports.gating.baseline_file import read_baseline
from nnapi_check.reports.json_format import to_json
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_reports import hostile_report, mixed_report, quantized_report, ready_report


@pytest.mark.parametrize(
    "report",
    [replace(mixed_report(), artifact_bytes=7), ready_report(), quantized_report(), hostile_report()],
    ids=["mixed", "ready", "quantized", "hostile"],
)
def test_facts_written_and_read_are_equal(report: ModelReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(to_json(report), encoding="utf-8")

    assert read_baseline(path).facts == facts_of(report)


@pytest.mark.parametrize(
    "key", ["readiness", "score", "work", "parts", "blockers", "feature_level", "nodes_total", "nodes"]
)
@pytest.mark.parametrize("value", [None, [3], "nonsense", {"a": 1}, True])
def test_a_damaged_report_is_refused_by_the_name_of_what_is_wrong(key: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    document = json.loads(to_json(mixed_report()))
    path.write_text(json.dumps({**document, key: value}), encoding="utf-8")

    with pytest.raises(InputError, match=re.escape(f"{path} is no report of nnapi-check: `")):
        read_baseline(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is not JSON"),
        ("[]", "it holds no object"),
        ('{"schema_version": 7}', "by schema 7"),
        ("[" * 9999, "JSON"),
    ],
)
def test_what_is_no_report_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=words):
        read_baseline(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json is not there; --update-baseline writes it"):
        read_baseline(tmp_path / "nowhere.json")
