"""Measured errors are kept in a file and read back equal."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from nnapi_check.coverage_db.writing.output import OutputError
from nnapi_check.lowering.examples.measured_errors import (
    FORMAT,
    MeasuredExample,
    MeasurementsError,
    measurements,
    read_measurements,
    write_measurements,
)

FOUND = measurements(
    "PyTorch 2.0",
    [
        MeasuredExample("aten.relu.default", "operation", "plain", 1, 0.0, 0.0, None),
        MeasuredExample("aten.relu.default", "operation", "quantized", 1, 0.05, 0.01, 1),
        MeasuredExample("aten.log.default", "operation", "of nothing", 3, math.inf, math.inf, None),
    ],
)


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    write_measurements(FOUND, tmp_path / "errors.json")

    assert read_measurements(tmp_path / "errors.json") == FOUND


def test_file_is_json_without_infinities(tmp_path: Path) -> None:
    write_measurements(FOUND, tmp_path / "errors.json")

    assert "Infinity" not in (tmp_path / "errors.json").read_text(encoding="utf-8")


def test_an_example_that_was_not_measured_is_not_found() -> None:
    assert FOUND.of("aten.relu.default", "operation", "other") is None


ROW = {"op": "a", "way": "b", "example": "c", "level": 1, "max_absolute": 0.5, "max_relative": 0.1, "steps": None}


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        json.dumps({"format": "another", "made_with": "", "examples": []}),
        json.dumps({"format": FORMAT, "made_with": ""}),
        json.dumps({"format": FORMAT, "made_with": "", "examples": [{**ROW, "level": "1"}]}),
        json.dumps({"format": FORMAT, "made_with": "", "examples": [{**ROW, "max_absolute": "small"}]}),
        json.dumps({"format": FORMAT, "made_with": "", "examples": [{"op": "a"}]}),
        json.dumps({"format": FORMAT, "made_with": "", "examples": [7]}),
    ],
)
def test_what_is_no_file_of_measurements_is_refused(document: str, tmp_path: Path) -> None:
    (tmp_path / "errors.json").write_text(document, encoding="utf-8")

    with pytest.raises(MeasurementsError, match=r"errors\.json"):
        read_measurements(tmp_path / "errors.json")


def test_a_file_that_cannot_be_reached_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(MeasurementsError, match="cannot be read"):
        read_measurements(tmp_path / "nowhere" / "errors.json")
    with pytest.raises(OutputError, match="cannot be written"):
        write_measurements(FOUND, tmp_path / "nowhere" / "errors.json")
