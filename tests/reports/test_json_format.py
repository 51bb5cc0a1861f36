"""The report for machines."""

import json
import math
from dataclasses import replace

import jsonschema
import pytest

from nnapi_check.reports.json_format import SCHEMA_VERSION, to_json, verification_json
from nnapi_check.reports.schema import SCHEMA_FILE
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_reports import (
    HOSTILE,
    estimated_report,
    hostile_report,
    mixed_report,
    quantized_report,
    ready_report,
)

REPORTS = [mixed_report(), ready_report(), quantized_report(), estimated_report(), hostile_report()]


def schema() -> dict[str, object]:
    found = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("report", REPORTS, ids=["mixed", "ready", "quantized", "estimated", "bad"])
def test_report_follows_the_committed_schema(report: ModelReport) -> None:
    jsonschema.validate(json.loads(to_json(report)), schema())


@pytest.mark.parametrize("missing", ["schema_version", "readiness", "losses"])
def test_schema_refuses_a_report_without_a_field(missing: str) -> None:
    document = json.loads(to_json(mixed_report()))
    del document[missing]

    with pytest.raises(jsonschema.ValidationError, match=missing):
        jsonschema.validate(document, schema())


def test_schema_refuses_a_field_that_it_does_not_know() -> None:
    document = json.loads(to_json(mixed_report()))
    document["parts"][0]["surprise"] = 1

    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(document, schema())


def test_version_comes_first() -> None:
    assert next(iter(json.loads(to_json(ready_report())))) == "schema_version"
    assert json.loads(to_json(ready_report()))["schema_version"] == SCHEMA_VERSION


def test_infinite_numbers_are_null() -> None:
    mixed = mixed_report()
    assert mixed.verification is not None
    far = replace(mixed.verification.outputs[0], max_absolute=math.inf, max_relative=math.nan)
    report = replace(mixed, verification=replace(mixed.verification, outputs=(far,)))

    document = json.loads(to_json(report))

    assert document["verification"]["outputs"][0]["max_absolute"] is None
    assert document["verification"]["outputs"][0]["max_relative"] is None
    jsonschema.validate(document, schema())


def test_names_are_written_as_they_are() -> None:
    assert json.loads(to_json(hostile_report()))["model"] == HOSTILE


def test_verification_alone_is_that_of_the_report() -> None:
    mixed = mixed_report()
    assert mixed.verification is not None

    document = json.loads(verification_json(mixed.verification))

    assert document == {
        "schema_version": SCHEMA_VERSION,
        "verification": json.loads(to_json(mixed))["verification"],
    }
