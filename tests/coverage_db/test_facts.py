"""Malformed text of operations is refused with the file, the operation and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.text import TextError

WELL_FORMED = """
[NEGATE]
code = 7
since = 2
main = "input 0"
types.2 = ["TENSOR_FLOAT32"]
types.3 = ["TENSOR_FLOAT16", "TENSOR_INT32"]
output_counts = { 1 = 2 }
outputs = [{ index = 0 }]

[[NEGATE.signatures]]
name = "default"
counts = { 1 = 2, 2 = 3 }
inputs = [
    { index = 0 },
    { index = 1, since = 3, type = "BOOL", optional = true, default = false },
]
"""


def write(folder: Path, text: str, name: str = "arithmetic.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_left_out_levels_are_those_of_the_operation(tmp_path: Path) -> None:
    facts = load_operations(write(tmp_path, WELL_FORMED))["NEGATE"]

    assert facts.signatures[0].since == 2
    assert facts.signatures[0].inputs[0].since == 2
    assert facts.outputs[0].since == 2


def test_an_operand_of_a_scalar_type_is_a_scalar(tmp_path: Path) -> None:
    inputs = load_operations(write(tmp_path, WELL_FORMED))["NEGATE"].signatures[0].inputs

    assert [operand.is_scalar for operand in inputs] == [False, True]


def test_types_stand_in_order_of_level_and_code(tmp_path: Path) -> None:
    facts = load_operations(write(tmp_path, WELL_FORMED))["NEGATE"]

    assert facts.types == (
        (OperandType.TENSOR_FLOAT32, 2),
        (OperandType.TENSOR_INT32, 3),
        (OperandType.TENSOR_FLOAT16, 3),
    )
    assert facts.type_since(OperandType.TENSOR_QUANT8_ASYMM) is None


@pytest.mark.parametrize(
    ("written", "instead", "entry", "key"),
    [
        ("code = 7", "", "NEGATE", "code"),
        ("code = 7", 'code = "7"', "NEGATE", "code"),
        ("code = 7", "code = true", "NEGATE", "code"),
        ("since = 2", "since = 0", "NEGATE", "since"),
        ('main = "input 0"', 'main = "first"', "NEGATE", "main"),
        ("types.2 =", "types.0 =", "NEGATE.types", "0"),
        ("types.2 =", "types.two =", "NEGATE.types", "two"),
        ('"TENSOR_FLOAT16"', '"TENSOR_FLOAT17"', "NEGATE.types", "3"),
        ('"TENSOR_FLOAT16"', '"TENSOR_FLOAT32"', "NEGATE.types", "3"),
        ("outputs = [{ index = 0 }]", "outputs = [{ index = 1 }]", "NEGATE.outputs[0]", "index"),
        ("outputs = [{ index = 0 }]", "outputs = [{ rank = 4 }]", "NEGATE.outputs[0]", "index"),
        ("outputs = [{ index = 0 }]", "outputs = 1", "NEGATE", "outputs"),
        ("outputs = [{ index = 0 }]", "outputs = [0]", "NEGATE", "outputs"),
        ('type = "BOOL"', 'typ = "BOOL"', "NEGATE.signatures[0].inputs[1]", "typ"),
        ("optional = true", "optional = 1", "NEGATE.signatures[0].inputs[1]", "optional"),
        ("default = false", 'default = "no"', "NEGATE.signatures[0].inputs[1]", "default"),
        ("counts = { 1 = 2, 2 = 3 }", "", "NEGATE.signatures[0]", "counts"),
        ("[[NEGATE.signatures]]", "[[NEGATE.forms]]", "NEGATE", "forms"),
        (
            "outputs = [{ index = 0 }]",
            'outputs = [{ index = 0, quant = [{ rule = "same", types = ["TENSOR_QUANT8_ASYMM"] }] }]',
            "NEGATE.outputs[0].quant[0]",
            "rule",
        ),
        (
            "outputs = [{ index = 0 }]",
            'outputs = [{ index = 0, quant = [{ rule = "fixed", types = ["TENSOR_QUANT8_ASYMM"], scale = 1 }] }]',
            "NEGATE.outputs[0].quant[0]",
            "scale",
        ),
        (
            "outputs = [{ index = 0 }]",
            'outputs = [{ index = 0, quant = [{ rule = "free" }] }]',
            "NEGATE.outputs[0].quant[0]",
            "types",
        ),
        ("output_counts", 'zero = [{ what = "pixels", since = 3 }]\noutput_counts', "NEGATE.zero[0]", "what"),
    ],
)
def test_malformed_text_names_file_operation_and_key(
    tmp_path: Path, written: str, instead: str, entry: str, key: str
) -> None:
    assert written in WELL_FORMED
    write(tmp_path, WELL_FORMED.replace(written, instead, 1))

    with pytest.raises(TextError) as caught:
        load_operations(tmp_path)

    assert (caught.value.path, caught.value.entry, caught.value.key) == (tmp_path / "arithmetic.toml", entry, key)
    assert all(part in str(caught.value) for part in ("arithmetic.toml", entry, repr(key)))


def test_an_operation_is_described_once(tmp_path: Path) -> None:
    write(tmp_path, WELL_FORMED)
    write(tmp_path, WELL_FORMED, "matrix.toml")

    with pytest.raises(TextError, match="NEGATE: the operation is described twice"):
        load_operations(tmp_path)


def test_two_operations_cannot_share_a_code(tmp_path: Path) -> None:
    write(tmp_path, WELL_FORMED)
    write(tmp_path, WELL_FORMED.replace("NEGATE", "INVERT"), "matrix.toml")

    with pytest.raises(TextError, match="INVERT, key 'code': 7 is already that of NEGATE"):
        load_operations(tmp_path)


def test_broken_toml_names_the_file_and_the_line(tmp_path: Path) -> None:
    write(tmp_path, "[NEGATE]\ncode = \n")

    with pytest.raises(TextError, match=r"arithmetic\.toml: is not TOML: .*line 2"):
        load_operations(tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "arithmetic.toml").write_bytes(b"\xff\xfe[NEGATE]")

    with pytest.raises(TextError, match="is not UTF-8"):
        load_operations(tmp_path)


def test_a_folder_without_operations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="holds no operations"):
        load_operations(tmp_path)
