"""A device's profile is read strictly, and its schema agrees with what is read."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import nnapi_check.coverage_db
from nnapi_check.coverage_db.device_profile import Answer, DeviceProfile, DeviceProfileError, read_device_profile
from nnapi_check.coverage_db.spec import OperandType

SCHEMA = json.loads(
    (Path(nnapi_check.coverage_db.__file__).parent / "schema" / "device-profile-1.json").read_text(encoding="utf-8")
)
OPERATIONS = ("ADD", "CONV_2D", "TRANSPOSE")
WHOLE = {
    "schema_version": 1,
    "device": "Pixel 9, driver 3.1",
    "unlisted": "accepted",
    "operations": {
        "CONV_2D": {"TENSOR_FLOAT32": "accepted", "TENSOR_QUANT8_ASYMM": "refused"},
        "TRANSPOSE": "refused",
    },
}


def read(folder: Path, document: object) -> DeviceProfile:
    path = folder / "device.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return read_device_profile(path, OPERATIONS)


def test_answers_by_operation_and_type(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)

    assert found.device == "Pixel 9, driver 3.1"
    assert not found.refuses("CONV_2D", OperandType.TENSOR_FLOAT32)
    assert found.refuses("CONV_2D", OperandType.TENSOR_QUANT8_ASYMM)
    assert not found.refuses("CONV_2D", OperandType.TENSOR_FLOAT16)
    assert found.refuses("TRANSPOSE", OperandType.TENSOR_INT32)
    assert not found.refuses("ADD", OperandType.TENSOR_FLOAT32)


def test_what_is_not_listed_may_be_refused(tmp_path: Path) -> None:
    found = read(tmp_path, {**WHOLE, "unlisted": "refused"})

    assert found.unlisted is Answer.REFUSED
    assert found.refuses("ADD", OperandType.TENSOR_FLOAT32)
    assert not found.refuses("CONV_2D", OperandType.TENSOR_FLOAT32)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the document: must be an object"),
        ({**WHOLE, "schema_version": 2}, "schema_version: must be 1, found 2"),
        ({key: value for key, value in WHOLE.items() if key != "schema_version"}, "schema_version: must be 1"),
        ({**WHOLE, "device": " "}, "device: must be the device's name"),
        ({**WHOLE, "operations": []}, "operations: must be an object"),
        ({**WHOLE, "unlisted": "perhaps"}, 'unlisted: must be "accepted" or "refused"'),
        ({**WHOLE, "note": "x"}, "note: is not a key"),
        ({**WHOLE, "operations": {"ADD": True}}, r'operations\.ADD: must be "accepted"'),
        ({**WHOLE, "operations": {"ADD": {"TENSOR_FLOAT32": "no"}}}, r"operations\.ADD\.TENSOR_FLOAT32: must be"),
    ],
)
def test_reader_and_schema_refuse_the_same(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(DeviceProfileError, match=message):
        read(tmp_path, document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("operations", [WHOLE["operations"], {}, {"ADD": "accepted"}])
def test_reader_and_schema_accept_the_same(tmp_path: Path, operations: object) -> None:
    document = {**WHOLE, "operations": operations}

    read(tmp_path, document)
    jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ({"ADDD": "refused"}, r"operations\.ADDD: is not an operation of NNAPI"),
        ({"ADD": {"TENSOR_FLOAT64": "refused"}}, r"operations\.ADD\.TENSOR_FLOAT64: is not an operand type"),
    ],
)
def test_names_that_nnapi_does_not_have_are_refused(tmp_path: Path, operations: object, message: str) -> None:
    with pytest.raises(DeviceProfileError, match=message):
        read(tmp_path, {**WHOLE, "operations": operations})


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("", "is not JSON")])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "device.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(DeviceProfileError, match=message):
        read_device_profile(path, OPERATIONS)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceProfileError, match="cannot be read"):
        read_device_profile(tmp_path / "none.json", OPERATIONS)
