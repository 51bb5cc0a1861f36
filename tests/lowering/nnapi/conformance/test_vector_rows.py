"""Conformance rows become models and examples in bytes."""

from __future__ import annotations

import gzip
import json
import os
import struct
from pathlib import Path

import pytest

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.conformance.vector_rows import Ignored, VectorError, VectorRow, read_rows
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Computed,
    Immediate,
    ModelInput,
    NoValue,
    Operand,
    Reference,
)
from tests.lowering.nnapi.conformance import own_vectors


def operand(kind: str, dims: list[int], lifetime: str, value: list[object] | None = None) -> dict[str, object]:
    """One operand in the format of a row."""
    entry = {"type": kind, "dims": dims, "scale": 0.0, "zero_point": 0, "per_channel": None, "lifetime": lifetime}
    return entry if value is None else {**entry, "value": value}


def write_row(folder: Path, operands: list[dict[str, object]], **example: object) -> Path:
    """A file with one row, whose model takes operand 0 and gives the last operand."""
    last = len(operands) - 1
    model = {
        "operands": operands,
        "operations": [{"type": "ADD", "inputs": list(range(last)), "outputs": [last]}],
        "inputs": [0],
        "outputs": [last],
        "referenced": [],
    }
    row = {
        "spec": "add",
        "name": "add_one",
        "version": "V1_2",
        "declared_version": "V1_2",
        "relaxed": True,
        "tolerance": {"fp32": [1.0, 2.0], "fp16": [3.0, 4.0], "int32": 5, "quant": 6, "bool": 7, "multinomial": None},
        "model": model,
        "examples": [{"name": "first", "expect_failure": False, **example}],
    }
    path = folder / "rows.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")
    return path


def only(path: Path) -> VectorRow:
    (row,) = read_rows(path)
    return row


def test_values_become_little_endian_bytes(tmp_path: Path) -> None:
    operands = [
        operand("TENSOR_FLOAT32", [2], "MODEL_INPUT"),
        operand("TENSOR_FLOAT16", [2], "CONSTANT", [1.0, -2.5]),
        operand("INT32", [], "CONSTANT", [3]),
        operand("TENSOR_FLOAT32", [2], "MODEL_OUTPUT"),
    ]

    row = only(write_row(tmp_path, operands, inputs={"0": [1.0, 2.0]}, outputs={"3": [3.0, 4.0]}))

    assert row.model.operands[1].source == Immediate(struct.pack("<2e", 1.0, -2.5))
    assert row.model.operands[2].source == Immediate(struct.pack("<i", 3))
    assert row.examples[0].inputs == (Immediate(struct.pack("<2f", 1.0, 2.0)),)
    assert row.examples[0].outputs == (Immediate(struct.pack("<2f", 3.0, 4.0)),)


def test_a_dimension_of_zero_is_unspecified_and_empty_dims_of_a_tensor_are_an_unknown_rank(tmp_path: Path) -> None:
    operands = [
        operand("TENSOR_FLOAT32", [], "MODEL_INPUT"),
        operand("INT32", [], "CONSTANT", [0]),
        operand("TENSOR_FLOAT32", [3, 0], "MODEL_OUTPUT"),
    ]

    row = only(write_row(tmp_path, operands, inputs={"0": [1.0]}, outputs={"2": []}))

    assert [entry.shape for entry in row.model.operands] == [UNKNOWN_RANK, (), (3, UNSPECIFIED)]


def test_lifetimes_become_sources(tmp_path: Path) -> None:
    operands = [
        operand("TENSOR_FLOAT32", [1], "MODEL_INPUT"),
        operand("TENSOR_INT32", [2], "NO_VALUE"),
        operand("MODEL", [], "SUBGRAPH", [4]),
        operand("TENSOR_FLOAT32", [1], "TEMPORARY"),
        operand("TENSOR_FLOAT32", [1], "MODEL_OUTPUT"),
    ]

    row = only(write_row(tmp_path, operands, inputs={"0": [1.0]}, outputs={"4": [1.0]}))

    sources = [entry.source for entry in row.model.operands]
    assert sources == [ModelInput(), NoValue(), Reference(4), Computed(), Computed()]


def test_an_empty_input_is_omitted_and_an_ignored_output_is_not_compared(tmp_path: Path) -> None:
    operands = [operand("TENSOR_FLOAT32", [1], "MODEL_INPUT"), operand("TENSOR_FLOAT32", [1], "MODEL_OUTPUT")]

    row = only(write_row(tmp_path, operands, inputs={"0": []}, outputs={}, ignored_outputs=[1]))

    assert row.examples[0].inputs == (NoValue(),)
    assert row.examples[0].outputs == (Ignored(),)


def test_a_row_keeps_level_tolerance_and_relaxation(tmp_path: Path) -> None:
    operands = [operand("TENSOR_FLOAT32", [1], "MODEL_INPUT"), operand("TENSOR_FLOAT32", [1], "MODEL_OUTPUT")]

    row = only(write_row(tmp_path, operands, inputs={"0": [1.0]}, outputs={"1": [1.0]}))

    assert (row.spec, row.name, row.declared_level, row.relaxed) == ("add", "add_one", 3, True)
    assert (row.tolerance.fp32, row.tolerance.fp16) == ((1.0, 2.0), (3.0, 4.0))
    assert (row.tolerance.int32, row.tolerance.quant, row.tolerance.bool8) == (5, 6, 7)
    assert row.model.relaxed


def test_an_unknown_lifetime_is_an_error_that_names_it(tmp_path: Path) -> None:
    operands = [operand("TENSOR_FLOAT32", [1], "NOWHERE"), operand("TENSOR_FLOAT32", [1], "MODEL_OUTPUT")]

    with pytest.raises(VectorError, match="NOWHERE"):
        only(write_row(tmp_path, operands, inputs={"0": [1.0]}, outputs={"1": [1.0]}))


def misfits(rows: list[VectorRow]) -> list[tuple[str, int]]:
    """Constants whose bytes are not as many as their shape asks for."""
    return [
        (row.name, index)
        for row in rows
        for index, entry in enumerate(row.model.operands)
        if isinstance(entry.source, Immediate) and len(entry.source.data) != constant_size(entry)
    ]


def test_every_conformance_example_is_read_with_the_bytes_that_its_shape_asks_for() -> None:
    folder = os.environ.get("NNAPI_VECTORS")
    if folder is None:
        pytest.skip("NNAPI_VECTORS does not name a folder with conformance vectors")
    rows = [row for path in sorted(Path(folder).glob("*.jsonl.gz")) for row in read_rows(path)]

    assert (len(rows), sum(len(row.examples) for row in rows)) == (4958, 5213)
    assert not misfits(rows)


def test_constants_of_our_own_vectors_have_the_bytes_that_their_shapes_ask_for() -> None:
    rows = list(read_rows(own_vectors.PATH))

    assert rows
    assert not misfits(rows)


def test_a_file_is_read_compressed_or_not(tmp_path: Path) -> None:
    text = own_vectors.PATH.read_bytes()
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(text))

    assert list(read_rows(tmp_path / "rows.jsonl.gz")) == list(read_rows(own_vectors.PATH))


def constant_size(entry: Operand) -> int:
    """The bytes that a constant of this type and shape has, counted from NNAPI's own table of sizes."""
    sizes = {"32": 4, "16": 2, "8": 1}
    size = 1 if entry.type is OperandType.BOOL else next(n for digits, n in sizes.items() if digits in entry.type.name)
    for dim in entry.shape if isinstance(entry.shape, tuple) else ():
        size *= dim if isinstance(dim, int) else 0
    return size
