"""Reading conformance vectors: one JSON row holds a model, its examples and what is expected of them.

Rows come from ``*.jsonl`` files, or ``*.jsonl.gz``. Values become little-endian bytes, as everywhere in a model.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.stored_elements import ELEMENT_CODES
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    ChannelQuantParams,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    QuantParams,
    Reference,
    Shape,
    Source,
)

Value = float | int | bool

LEVELS = {"V1_0": 1, "V1_1": 2, "V1_2": 3, "V1_3": 4, "AIDL_V2": 6, "AIDL_V3": 7}
"""The feature level of every version that a row may declare."""


class VectorError(Exception):
    """A row is not what the format promises: the message names what was found and what was wanted."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far results may be from what is expected.

    ``fp32`` and ``fp16`` are pairs of absolute and relative tolerance; ``fp16`` counts when the row is
    relaxed or any operand is float16. The others are absolute, in stored integers. ``multinomial`` is the
    tolerance on class probabilities of random draws, and None where results are compared one by one.
    """

    fp32: tuple[float, float]
    fp16: tuple[float, float]
    int32: int
    quant: int
    bool8: int
    multinomial: float | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An output that is not compared."""


@dataclass(frozen=True, slots=True)
class VectorExample:
    """Inputs and expected outputs, in the order of the model's inputs and outputs.

    An input may be omitted (NoValue). With ``expect_failure``, validation or execution must fail.
    """

    name: str
    inputs: tuple[Immediate | NoValue, ...]
    outputs: tuple[Immediate | Ignored, ...]
    expect_failure: bool


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A model with its examples. ``declared_level`` is None where the row declares no version."""

    spec: str
    name: str
    declared_level: int | None
    relaxed: bool
    tolerance: Tolerance
    model: Model
    examples: tuple[VectorExample, ...]


class _ChannelsJson(TypedDict):
    dim: int
    scales: list[float]


class _OperandJson(TypedDict):
    type: str
    dims: list[int]
    scale: float
    zero_point: int
    per_channel: _ChannelsJson | None
    lifetime: str
    value: NotRequired[list[Value]]


class _OperationJson(TypedDict):
    type: str
    inputs: list[int]
    outputs: list[int]


class _ModelJson(TypedDict):
    operands: list[_OperandJson]
    operations: list[_OperationJson]
    inputs: list[int]
    outputs: list[int]
    referenced: NotRequired[list[_ModelJson]]


class _ToleranceJson(TypedDict):
    fp32: list[float]
    fp16: list[float]
    int32: int
    quant: int
    bool: int
    multinomial: float | None


class _ExampleJson(TypedDict):
    name: str
    inputs: dict[str, list[Value]]
    outputs: dict[str, list[Value]]
    expect_failure: bool
    ignored_outputs: NotRequired[list[int]]


class _RowJson(TypedDict):
    spec: str
    name: str
    declared_version: str | None
    relaxed: bool
    model: _ModelJson
    tolerance: _ToleranceJson
    examples: list[_ExampleJson]


def read_rows(path: Path) -> Iterator[VectorRow]:
    """Read the rows of one file, in order; a name that ends with ``.gz`` says that it is compressed."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row: _RowJson = json.loads(line)
            yield _row(row)


def pack_values(kind: OperandType, values: Sequence[Value]) -> bytes:
    """Write numbers as the little-endian elements of ``kind``."""
    return struct.pack(f"<{len(values)}{ELEMENT_CODES[kind]}", *values)


def _row(row: _RowJson) -> VectorRow:
    tolerance = row["tolerance"]
    version = row["declared_version"]
    model = _model(row["model"], relaxed=row["relaxed"])
    return VectorRow(
        spec=row["spec"],
        name=row["name"],
        declared_level=None if version is None else LEVELS[version],
        relaxed=row["relaxed"],
        tolerance=Tolerance(
            fp32=(tolerance["fp32"][0], tolerance["fp32"][1]),
            fp16=(tolerance["fp16"][0], tolerance["fp16"][1]),
            int32=tolerance["int32"],
            quant=tolerance["quant"],
            bool8=tolerance["bool"],
            multinomial=tolerance["multinomial"],
        ),
        model=model,
        examples=tuple(_example(model, example) for example in row["examples"]),
    )


def _example(model: Model, example: _ExampleJson) -> VectorExample:
    ignored = set(example.get("ignored_outputs", []))

    def given(index: int) -> Immediate | NoValue:
        values = example["inputs"][str(index)]
        return Immediate(pack_values(model.operands[index].type, values)) if values else NoValue()

    def expected(index: int) -> Immediate | Ignored:
        if index in ignored:
            return Ignored()
        return Immediate(pack_values(model.operands[index].type, example["outputs"][str(index)]))

    return VectorExample(
        name=example["name"],
        inputs=tuple(given(index) for index in model.inputs),
        outputs=tuple(expected(index) for index in model.outputs),
        expect_failure=example["expect_failure"],
    )


def _model(model: _ModelJson, *, relaxed: bool) -> Model:
    return Model(
        operands=tuple(_operand(operand) for operand in model["operands"]),
        operations=tuple(
            Operation(operation["type"], tuple(operation["inputs"]), tuple(operation["outputs"]))
            for operation in model["operations"]
        ),
        inputs=tuple(model["inputs"]),
        outputs=tuple(model["outputs"]),
        referenced=tuple(_model(referenced, relaxed=relaxed) for referenced in model.get("referenced", [])),
        relaxed=relaxed,
    )


def _operand(operand: _OperandJson) -> Operand:
    kind = OperandType[operand["type"]]
    channels = operand["per_channel"]
    return Operand(
        type=kind,
        shape=_shape(kind, operand["dims"]),
        source=_source(kind, operand),
        quant=QuantParams(operand["scale"], operand["zero_point"]),
        channels=None if channels is None else ChannelQuantParams(tuple(channels["scales"]), channels["dim"]),
    )


def _shape(kind: OperandType, dims: Sequence[int]) -> Shape:
    if kind.is_tensor and not dims:
        return UNKNOWN_RANK
    return tuple(UNSPECIFIED if dim == 0 else dim for dim in dims)


def _source(kind: OperandType, operand: _OperandJson) -> Source:
    match operand["lifetime"]:
        case "MODEL_INPUT":
            return ModelInput()
        case "MODEL_OUTPUT" | "TEMPORARY":
            return Computed()
        case "CONSTANT":
            return Immediate(pack_values(kind, operand.get("value", [])))
        case "NO_VALUE":
            return NoValue()
        case "SUBGRAPH":
            return Reference(int(operand.get("value", [-1])[0]))
        case lifetime:
            raise VectorError(f"lifetime is {lifetime}; wanted is one that the format names")
