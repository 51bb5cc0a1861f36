"""The report for code scanning."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from nnapi_check.coverage_db.differences import load_reasons
from nnapi_check.reports.formats.findings import Origin
from nnapi_check.reports.formats.sarif import to_sarif
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_reports import hostile_report, mixed_report, quantized_report, ready_report

SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "report",
    [mixed_report(), ready_report(), quantized_report(), hostile_report()],
    ids=["mixed", "ready", "quantized", "hostile"],
)
def test_it_obeys_the_schema(report: ModelReport, origin: Origin) -> None:
    jsonschema.Draft4Validator(SCHEMA).validate(json.loads(to_sarif(report, origin, load_reasons())))


def test_results_stand_at_lines_of_the_repository(origin: Origin) -> None:
    (run,) = json.loads(to_sarif(mixed_report(), origin, load_reasons()))["runs"]

    (result, *_) = [found for found in run["results"] if found["ruleId"] == "NNC402"]
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "vision/models/segmenter.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 49},
    }
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "encoder.stage2.block.1"


def test_what_is_not_of_the_repository_stands_at_the_model(origin: Origin) -> None:
    report = mixed_report()
    away = [
        replace(blocker, places=tuple(replace(place, file="/lib/site-packages/x/y.py") for place in blocker.places))
        for blocker in report.blockers
    ]
    text = to_sarif(replace(report, blockers=tuple(away)), origin, load_reasons())

    assert '"uri": "segmenter%20one.pt"' in text
    assert "x/y.py:49" in text
    assert str(origin.root) not in text


def test_every_rule_has_help_from_its_reason(origin: Origin) -> None:
    (run,) = json.loads(to_sarif(mixed_report(), origin, load_reasons()))["runs"]

    rules = run["tool"]["driver"]["rules"]
    reasons = load_reasons()
    assert {rule["id"] for rule in rules} == {result["ruleId"] for result in run["results"]}
    for rule in rules:
        if rule["id"] in reasons:
            assert reasons[rule["id"]].fix in rule["help"]["markdown"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
