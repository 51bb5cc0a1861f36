"""The bytes of PyTorch Mobile's NNAPI format: written, read back, and refused."""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.coverage_db.spec import OperandType
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
    Source,
)
from nnapi_check.lowering.nnapi.serialize import FAULT_LIMIT, Malformed, NotSerializableError, deserialize, serialize

CODES = {"ADD": 0, "CONV_2D": 3, "RELU": 19, "LSTM": 16}
NAMES = {code: name for name, code in CODES.items()}

FLOATS = OperandType.TENSOR_FLOAT32


def small_model() -> Model:
    """relu(x + c) with an activation scalar and weights in a buffer."""
    return Model(
        operands=(
            Operand(FLOATS, (2, 3), ModelInput()),
            Operand(FLOATS, (3,), Buffer(0, 4, 12)),
            Operand(OperandType.INT32, (), Immediate(struct.pack("<i", 0))),
            Operand(FLOATS, (2, 3), Computed()),
            Operand(FLOATS, (2, UNSPECIFIED), Computed()),
        ),
        operations=(Operation("ADD", (0, 1, 2), (3,)), Operation("RELU", (3,), (4,))),
        inputs=(0,),
        outputs=(4,),
    )


def with_operand(index: int, operand: Operand) -> Model:
    model = small_model()
    return replace(model, operands=(*model.operands[:index], operand, *model.operands[index + 1 :]))


def reasons(model: Model) -> tuple[str, ...]:
    with pytest.raises(NotSerializableError) as caught:
        serialize(model, CODES)
    return caught.value.reasons


def faults(data: bytes) -> tuple[str, ...]:
    found = deserialize(data, NAMES)
    assert isinstance(found, Malformed)
    return found.faults


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Well-formed models, most of which NNAPI would refuse."""
    count = draw(st.integers(1, 8))
    indices = st.lists(st.integers(0, count - 1), max_size=4).map(tuple)
    inputs = draw(st.lists(st.integers(0, count - 1), max_size=3, unique=True).map(tuple))
    dims = st.lists(st.one_of(st.integers(1, 2**32 - 1), st.just(UNSPECIFIED)), max_size=5).map(tuple)
    buffers = st.builds(Buffer, st.integers(0, 2**24 - 1), st.integers(0, 2**30), st.integers(0, 2**30 - 1))
    values: st.SearchStrategy[Source] = st.one_of(
        st.just(Computed()), st.builds(Immediate, st.binary(max_size=9)), buffers
    )
    quant = st.builds(QuantParams, st.floats(width=32, allow_nan=False), st.integers(-(2**31), 2**31 - 1))
    operands = []
    for index in range(count):
        kind = draw(st.sampled_from([kind for kind in OperandType if kind is not OperandType.MODEL]))
        shape = draw(dims)
        operands.append(
            Operand(
                type=kind,
                shape=UNKNOWN_RANK if kind.is_tensor and not shape else shape,
                source=ModelInput() if index in inputs else draw(values),
                quant=draw(quant),
            )
        )
    operation = st.builds(Operation, st.sampled_from(sorted(CODES)), indices, indices)
    return Model(tuple(operands), tuple(draw(st.lists(operation, max_size=4))), inputs, draw(indices))


@given(models())
def test_a_model_that_is_written_is_read_back_equal(model: Model) -> None:
    assert deserialize(serialize(model, CODES), NAMES) == model


def test_the_bytes_stand_in_the_loader_s_order() -> None:
    data = serialize(small_model(), CODES)

    words = struct.unpack(f"<{len(data) // 4}I", data)
    assert words[:6] == (1, 5, 2, 2, 1, 1)
    assert words[6:10] == (int(FLOATS), 2, 0, 0)
    values_at = 6 + 5 * 4
    assert words[values_at : values_at + 6] == (1, 2, 12, 2, 0, 4)
    assert words[values_at + 6 : values_at + 12] == (0, 3, 1, 19, 1, 1)
    assert words[values_at + 12 :] == (2, 3, 3, 2, 3, 2, 0, 0, 4, 12, 0, 0, 1, 2, 3, 3, 4, 0, 4)


def test_the_bytes_of_a_value_are_padded_to_four() -> None:
    model = with_operand(2, Operand(OperandType.BOOL, (), Immediate(b"\1")))

    data = serialize(model, CODES)

    assert len(data) == len(serialize(small_model(), CODES))
    assert deserialize(data, NAMES) == model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (with_operand(1, Operand(FLOATS, (3,), NoValue())), "omitted input"),
        (with_operand(1, Operand(OperandType.MODEL, (), Reference(0))), "is a model, which the format lacks"),
        (replace(small_model(), referenced=(small_model(),)), "refers to 1 other models"),
        (with_operand(1, Operand(FLOATS, (), Immediate(b""))), "rank 0"),
        (with_operand(1, Operand(OperandType.INT32, UNKNOWN_RANK, Immediate(b""))), "scalar of unknown rank"),
        (with_operand(1, Operand(FLOATS, (0,), Immediate(b""))), "dimension of 0"),
        (with_operand(1, Operand(FLOATS, (3,), Buffer(0, 2**31, 12))), "wanted below 2147483648"),
        (with_operand(1, Operand(FLOATS, (3,), Buffer(2**24, 0, 12))), "lies in buffer 16777216"),
        (with_operand(1, Operand(FLOATS, (3,), Computed(), QuantParams(1e39, 0))), "beyond float32"),
        (with_operand(1, Operand(FLOATS, (3,), Computed(), QuantParams(1.0, 2**31))), "beyond 32 bits"),
        (with_operand(3, Operand(FLOATS, (2, 3), ModelInput())), "that the model's inputs do not list"),
        (replace(small_model(), inputs=(0, 1)), "its source is Buffer"),
        (replace(small_model(), outputs=(9,)), "operand 9, and there are 5"),
        (replace(small_model(), operations=(Operation("FOO", (0,), (4,)),)), "FOO, which has no code"),
        (replace(small_model(), outputs=(4,) * 2**24), "fewer than 16777216"),
    ],
)
def test_refuses_what_the_format_cannot_carry(model: Model, words: str) -> None:
    assert any(words in reason for reason in reasons(model))


def test_refuses_per_channel_parameters_and_names_every_reason_at_once() -> None:
    channels = ChannelQuantParams((0.5, 0.25), 0)
    model = with_operand(
        1, Operand(OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL, (2,), NoValue(), QuantParams(0.0, 0), channels)
    )

    found = reasons(model)

    assert len(found) == 2
    assert "operand 1 has per-channel quantization parameters" in found[0]


def test_says_which_version_was_found() -> None:
    assert faults(struct.pack("<6I", 7, 0, 0, 0, 0, 0)) == ("the format's version is 7, wanted 1",)


def test_believes_no_count_before_the_bytes_are_there() -> None:
    assert "the bytes end within 16777215 operands" in faults(struct.pack("<6I", 1, 2**24 - 1, 0, 0, 0, 0))[0]


def test_refuses_counts_beyond_the_limit() -> None:
    assert len(faults(struct.pack("<6I", 1, 2**24, 2**32 - 1, 0, 0, 0))) == 2


def test_refuses_bytes_after_the_end() -> None:
    assert faults(serialize(small_model(), CODES) + b"\0\0\0\0") == ("4 bytes are left after the model's end",)


def test_stops_after_so_many_faults() -> None:
    count = 1000
    data = struct.pack("<6I", 1, 0, 0, 0, 0, count) + struct.pack(f"<{count}I", *range(count))

    assert len(faults(data)) == FAULT_LIMIT


@pytest.mark.parametrize(
    ("word", "value", "words"),
    [
        (6, 99, "has type 99"),
        (6, 15, "is a model"),
        (7, 2**32 - 1, "dimensions of operand 0"),
        (26, 77, "operand 77, and there are 5"),
        (26, 2, "a second one of operand 2"),
        (26, 0, "a model input and has a value as well"),
        (27, 3, "source 3"),
        (28, 8, "names its buffer in 8 bytes"),
        (28, 2**32 - 1, "4294967295 bytes of value 0"),
        (32, 500, "code 500"),
        (46, 2**31, "of its buffer, wanted below"),
        (45, 2**24, "lies in buffer 16777216"),
        (49, 5, "operation 0 reads: operand 5"),
        (56, 6, "the model's outputs: operand 6"),
    ],
)
def test_names_the_fault_of_a_word(word: int, value: int, words: str) -> None:
    data = bytearray(serialize(small_model(), CODES))
    struct.pack_into("<I", data, 4 * word, value)

    found = faults(bytes(data))

    assert any(words in fault for fault in found), found


def test_every_shortened_model_is_malformed() -> None:
    data = serialize(small_model(), CODES)

    assert all(isinstance(deserialize(data[:size], NAMES), Malformed) for size in range(len(data)))


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    assert isinstance(deserialize(data, NAMES), Model | Malformed)


@settings(max_examples=300)
@given(models(), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 2**32 - 1)), min_size=1, max_size=4))
def test_any_changed_words_get_an_answer(model: Model, changes: list[tuple[int, int]]) -> None:
    data = bytearray(serialize(model, CODES))
    for place, value in changes:
        struct.pack_into("<I", data, 4 * (place % (len(data) // 4)), value)

    found = deserialize(bytes(data), NAMES)

    if isinstance(found, Malformed):
        assert found.faults
    else:
        assert isinstance(deserialize(serialize(found, CODES), NAMES), Model)


def test_thousands_of_broken_models_get_an_answer() -> None:
    source = random.Random(20)
    original = serialize(small_model(), CODES)

    for _ in range(3000):
        data = bytearray(original)
        for _ in range(source.randint(1, 6)):
            data[source.randrange(len(data))] = source.choice((0, 1, 127, 128, 255, source.randrange(256)))
        assert isinstance(deserialize(bytes(data), NAMES), Model | Malformed)
