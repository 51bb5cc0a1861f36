"""Models as text, and taken apart."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.disassembly import BufferEntry, Place, disassemble, write_disassembly
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Buffer,
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
)
from nnapi_check.lowering.nnapi.text import to_text, write_operand_type, write_values
from tests.lowering.nnapi.test_serialize import models

FACTS = load_operations()
FLOATS = OperandType.TENSOR_FLOAT32
WEIGHTS = struct.pack("<60f", *range(60))
BIAS = struct.pack("<6f", 9, 1, 2.5, -3, 1e-7, 5)


def integer(value: int) -> Operand:
    return Operand(OperandType.INT32, (), Immediate(struct.pack("<i", value)))


def convolution() -> Model:
    """A convolution with a layout flag that serves nothing, and a ReLU over an open dimension."""
    operands = (
        Operand(FLOATS, (1, 7, 9, 2), ModelInput()),
        Operand(FLOATS, (5, 3, 2, 2), Buffer(0, 0, 240)),
        Operand(FLOATS, (5,), Buffer(1, 4, 20)),
        integer(0),
        integer(2),
        integer(1),
        Operand(OperandType.BOOL, (), Immediate(b"\0")),
        Operand(FLOATS, (1, 3, 4, 5), Computed()),
        Operand(FLOATS, (1, UNSPECIFIED, 4, 5), Computed()),
    )
    operations = (
        Operation("CONV_2D", (0, 1, 2, 3, 3, 3, 3, 4, 4, 5, 6), (7,)),
        Operation("RELU", (7,), (8,)),
    )
    return Model(operands, operations, (0,), (8,))


def choice() -> Model:
    """IF over a convolution-free branch that lies among the referenced models."""
    row = Operand(FLOATS, (1, 3), ModelInput())
    branch = Model((row, replace(row, source=Computed())), (Operation("FLOOR", (0,), (1,)),), (0,), (1,))
    operands = (
        Operand(OperandType.TENSOR_BOOL8, (1,), ModelInput()),
        Operand(OperandType.MODEL, (), Reference(0)),
        row,
        replace(row, source=Computed()),
    )
    return Model(operands, (Operation("IF", (0, 1, 1, 2), (3,)),), (0, 2), (3,), referenced=(branch,), relaxed=True)


def test_a_model_is_written_with_roles_and_contents() -> None:
    assert (
        to_text(convolution(), [WEIGHTS, BIAS], FACTS)
        == """\
model
  inputs %0
  outputs %8
  operands
    %0 input TENSOR_FLOAT32 [1,7,9,2]
    %1 constant TENSOR_FLOAT32 [5,3,2,2] in buffer 0 at 0, 240 bytes sha256:ebfcf5bd6ced
    %2 constant TENSOR_FLOAT32 [5] in buffer 1 at 4, 20 bytes 1 2.5 -3 1e-07 5
    %3 constant INT32 0
    %4 constant INT32 2
    %5 constant INT32 1
    %6 constant BOOL false
    %7 computed TENSOR_FLOAT32 [1,3,4,5]
    %8 computed TENSOR_FLOAT32 [1,?,4,5]
  operations
    0 CONV_2D %0 filter=%1 bias=%2 pad_left=%3(0) pad_right=%3(0) pad_top=%3(0) pad_bottom=%3(0) \
stride_width=%4(2) stride_height=%4(2) fuse_code=%5(1) nchw=%6(false) -> %7
    1 RELU %7 -> %8
"""
    )


def test_without_facts_and_buffers_the_structure_is_left() -> None:
    text = to_text(convolution())

    assert "in buffer 0 at 0, 240 bytes\n" in text
    assert "0 CONV_2D %0 %1 %2 %3(0) %3(0)" in text


def test_referenced_models_follow() -> None:
    text = to_text(choice(), facts=FACTS)

    assert text.startswith("model relaxed\n")
    assert "%1 reference to model 0\n" in text
    assert "0 IF %0 %1(model 0) %1(model 0) %2 -> %3\n" in text
    assert text.endswith("referenced model 0\n" + text.split("referenced model 0\n")[1])
    assert "    0 FLOOR %0 -> %1\n" in text.split("referenced model 0\n")[1]


@pytest.mark.parametrize(
    ("operand", "text"),
    [
        (
            Operand(OperandType.TENSOR_QUANT8_ASYMM, (2,), Computed(), QuantParams(0.1, 128)),
            "TENSOR_QUANT8_ASYMM [2] scale=0.1 zero_point=128",
        ),
        (
            Operand(
                OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL,
                (2, 3),
                NoValue(),
                channels=ChannelQuantParams((0.5, 1 / 3), 0),
            ),
            "TENSOR_QUANT8_SYMM_PER_CHANNEL [2,3] channel_dim=0 channel_scales=(0.5 0.33333333)",
        ),
        (Operand(FLOATS, UNKNOWN_RANK, Computed()), "TENSOR_FLOAT32 [*]"),
        (Operand(FLOATS, (), Computed()), "TENSOR_FLOAT32 []"),
        (Operand(OperandType.INT32, (), Computed()), "INT32"),
        (Operand(FLOATS, (2,), Computed(), QuantParams(1e300, 0)), "TENSOR_FLOAT32 [2] scale=1e+300 zero_point=0"),
    ],
)
def test_types_are_written_in_one_line(operand: Operand, text: str) -> None:
    assert write_operand_type(operand) == text


@given(st.floats(width=32, allow_nan=False))
def test_a_float_is_written_so_that_it_can_be_read_back(value: float) -> None:
    data = struct.pack("<f", value)

    assert struct.pack("<f", float(write_values(FLOATS, data))) == data


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (OperandType.TENSOR_FLOAT16, struct.pack("<2e", 0.1, -2), "0.1 -2"),
        (OperandType.TENSOR_BOOL8, b"\0\1", "false true"),
        (OperandType.TENSOR_QUANT8_SYMM, b"\xff", "-1"),
        (FLOATS, b"", "nothing"),
        (FLOATS, b"abc", "sha256:ba7816bf8f01"),
    ],
)
def test_values_are_written_by_their_type(kind: OperandType, data: bytes, text: str) -> None:
    assert write_values(kind, data) == text


@given(models(), models())
def test_different_models_have_different_texts(model: Model, other: Model) -> None:
    assert (to_text(model) == to_text(other)) == (model == other)


@given(models())
def test_every_line_is_one_operand_or_operation(model: Model) -> None:
    assert len(to_text(model, facts=FACTS).splitlines()) == 5 + len(model.operands) + len(model.operations)


def test_a_disassembly_has_levels_sizes_and_places() -> None:
    found = disassemble(convolution(), FACTS, [WEIGHTS, BIAS])

    assert (found.level, found.level_as_written, found.faults) == (1, 3, ())
    assert [operation.level for operation in found.operations] == [1, 1]
    assert found.operations[0].inputs[7:9] == (("stride_width", 4), ("stride_height", 4))
    assert found.buffers == (BufferEntry(0, (1,), 240), BufferEntry(1, (2,), 24))
    sizes = found.sizes
    assert (sizes.buffers, sizes.model_bytes, sizes.inputs, sizes.temporaries) == (260, 13, 504, 240)
    assert [operand.place for operand in found.operands[6:]] == [Place.MODEL_BYTES, Place.TEMPORARY, Place.OUTPUT]
    assert found.operands[7].written_by == (0,)
    assert found.operands[7].read_by == (1,)
    assert found.operands[8].size is None
    assert found.operands[2].value == "1 2.5 -3 1e-07 5"


def test_a_disassembly_names_faults() -> None:
    model = convolution()
    operands = (*model.operands[:7], Operand(FLOATS, (1, 5, 4, 5), Computed()), model.operands[8])

    found = disassemble(replace(model, operands=operands), FACTS)

    assert any("wanted [1, 3, 4, 5]" in fault for fault in found.faults)


def test_a_disassembly_holds_referenced_models() -> None:
    found = disassemble(choice(), FACTS)

    (branch,) = found.referenced
    assert (found.faults, branch.faults) == ((), ())
    assert [operation.kind for operation in branch.operations] == ["FLOOR"]
    assert (found.level, branch.level) == (4, 1)


def test_the_text_of_a_disassembly_tells_where_weights_lie() -> None:
    text = write_disassembly(disassemble(convolution(), FACTS))

    assert text.startswith("feature level 1, as written 3\n")
    assert "weights 260 bytes in 2 buffers, 13 in the model\n" in text
    assert "  %1 weight TENSOR_FLOAT32 [5,3,2,2] 240 bytes in buffer 0 at 0\n" in text
    assert "2 operations: 1 CONV_2D, 1 RELU\n" in text
    assert "  1 24 bytes: %2\n" in text
    assert "stride_width=%4(2)" in text
