"""Whatever is done to a model, the validator answers; and it answers in time that grows as the model does."""

from __future__ import annotations

import struct
from dataclasses import replace

from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from nnapi_check.coverage_db.facts import load_operations
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
    Shape,
    Source,
)
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.costs import calls_in, peak_bytes_in
from tests.lowering.nnapi.disagreement_models import DECIDED
from tests.lowering.nnapi.small_models import (
    F32,
    computed,
    conditional,
    given,
    loop,
    scalar,
    weights,
)
from tests.registry_numbers import HIGHEST_LEVEL

FACTS = load_operations()

ACCEPTED = [model for cases in DECIDED.values() for model, verdict in cases if not isinstance(verdict, Rule)]
MODELS = [*ACCEPTED, conditional(), loop()]

small_ints = st.integers(-3, 12)
int32s = st.integers(-(2**31), 2**31 - 1)
dimensions = st.one_of(small_ints, st.just(UNSPECIFIED), st.integers(0, 2**33))
shapes: st.SearchStrategy[Shape] = st.one_of(
    st.just(UNKNOWN_RANK), st.lists(dimensions, max_size=6).map(tuple), st.lists(small_ints, max_size=5).map(tuple)
)
scales = st.one_of(st.floats(), st.sampled_from([0.0, 0.5, 0.125, 1 / 256]))
packed_ints = st.lists(st.one_of(small_ints, int32s), max_size=9).map(
    lambda values: struct.pack(f"<{len(values)}i", *values)
)
data = st.one_of(packed_ints, st.binary(max_size=40))
sources: st.SearchStrategy[Source] = st.one_of(
    st.builds(Immediate, data),
    st.builds(Buffer, small_ints, small_ints, small_ints),
    st.builds(Reference, small_ints),
    st.sampled_from([ModelInput(), Computed(), NoValue()]),
)
channels = st.one_of(st.none(), st.builds(ChannelQuantParams, st.lists(scales, max_size=5).map(tuple), small_ints))
operands = st.builds(
    Operand, st.sampled_from(OperandType), shapes, sources, st.builds(QuantParams, scales, small_ints), channels
)


@st.composite
def changed_operands(draw: st.DrawFn, operand: Operand) -> Operand:
    """An operand with one of its properties drawn anew."""
    match draw(st.integers(0, 6)):
        case 0:
            return draw(operands)
        case 1:
            return replace(operand, type=draw(st.sampled_from(OperandType)))
        case 2:
            return replace(operand, shape=draw(shapes))
        case 3:
            return replace(operand, source=draw(sources))
        case 4:
            return replace(operand, quant=QuantParams(draw(scales), draw(small_ints)))
        case 5:
            return replace(operand, channels=draw(channels))
        case _:
            size = len(operand.source.data) if isinstance(operand.source, Immediate) else 4
            return replace(operand, source=Immediate(draw(st.binary(min_size=size, max_size=size))))


@st.composite
def changed_lists(draw: st.DrawFn, indices: tuple[int, ...]) -> tuple[int, ...]:
    """Indices of which some are dropped, repeated or drawn anew."""
    if draw(st.booleans()):
        return tuple(draw(st.lists(st.one_of(small_ints, st.sampled_from(indices or (0,))), max_size=len(indices) + 2)))
    start, stop = draw(st.integers(0, len(indices))), draw(st.integers(0, len(indices)))
    return indices[start:stop]


@st.composite
def changed_models(draw: st.DrawFn, model: Model, depth: int = 0) -> Model:
    """A model changed in one to three places."""
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(model.operands) - 1))
        changed = list(model.operands)
        operations = list(model.operations)
        match draw(st.integers(0, 5)):
            case 0 | 1:
                changed[index] = draw(changed_operands(changed[index]))
                model = replace(model, operands=tuple(changed))
            case 2:
                first = operations[0]
                operations[0] = Operation(
                    draw(st.one_of(st.sampled_from(sorted(FACTS)), st.just("NOT_AN_OPERATION"))),
                    draw(changed_lists(first.inputs)),
                    draw(changed_lists(first.outputs)),
                )
                model = replace(model, operations=tuple(operations))
            case 3:
                inputs, outputs = draw(changed_lists(model.inputs)), draw(changed_lists(model.outputs))
                model = replace(model, inputs=inputs, outputs=outputs)
            case 4 if model.referenced and depth == 0:
                model = replace(model, referenced=(draw(changed_models(model.referenced[0], 1)), *model.referenced[1:]))
            case _:
                operations[0] = replace(operations[0], kind=draw(st.sampled_from(sorted(FACTS))))
                model = replace(model, operations=tuple(operations))
    return model


@settings(max_examples=250, deadline=None)
@drawn(st.data())
def test_no_change_to_a_model_makes_the_validator_fail(choice: st.DataObject) -> None:
    model = choice.draw(changed_models(choice.draw(st.sampled_from(MODELS))))

    validation = validate(model, FACTS, level=choice.draw(st.sampled_from([None, 1, 3, 4, 7])))

    assert 1 <= validation.level <= validation.level_as_written <= HIGHEST_LEVEL
    assert len(validation.operations) == len(model.operations)
    assert all(fault.message.endswith(".") for fault in validation.faults)


@settings(max_examples=120, deadline=None)
@drawn(st.data())
def test_a_model_of_arbitrary_operands_gets_an_answer(choice: st.DataObject) -> None:
    drawn_operands = tuple(choice.draw(st.lists(operands, min_size=1, max_size=16)))
    places = st.integers(-1, len(drawn_operands))
    operations = tuple(
        Operation(kind, tuple(inputs), tuple(outputs))
        for kind, inputs, outputs in choice.draw(
            st.lists(
                st.tuples(st.sampled_from(sorted(FACTS)), st.lists(places, max_size=14), st.lists(places, max_size=4)),
                max_size=3,
            )
        )
    )
    boundary = tuple(choice.draw(st.lists(places, max_size=3)))

    validation = validate(Model(drawn_operands, operations, boundary, boundary), FACTS)

    assert validation.level <= validation.level_as_written


@settings(max_examples=80, deadline=None)
@drawn(st.sampled_from(ACCEPTED), st.integers(1, 8))
def test_a_level_is_enough_exactly_from_the_lowest_on(model: Model, level: int) -> None:
    lowest = validate(model, FACTS).level

    assert validate(model, FACTS, level=level).is_valid == (level >= lowest)


@settings(max_examples=80, deadline=None)
@drawn(st.sampled_from(ACCEPTED), st.data())
def test_leaving_dimensions_open_breaks_no_rule_of_shape(model: Model, choice: st.DataObject) -> None:
    opened = []
    for operand in model.operands:
        if operand.type.is_tensor and not operand.is_constant and isinstance(operand.shape, tuple):
            keeps = choice.draw(st.lists(st.booleans(), min_size=len(operand.shape), max_size=len(operand.shape)))
            shape = tuple(dim if keep else UNSPECIFIED for dim, keep in zip(operand.shape, keeps, strict=True))
            operand = replace(operand, shape=shape)
        opened.append(operand)

    faults = validate(replace(model, operands=tuple(opened)), FACTS).faults

    assert faults == ()


def long_model(count: int) -> Model:
    """Convolutions and additions in a row."""
    operands = [given(F32, (1, 14, 15, 8))]
    operations = []
    last = 0
    for _ in range(count // 2):
        first = len(operands)
        numbers = (scalar(number) for number in (1, 1, 1, 1, 1, 1, 0))
        operands += [weights(F32, (8, 3, 3, 8)), weights(F32, (8,)), *numbers, computed(F32, (1, 14, 15, 8))]
        out = len(operands) - 1
        operations.append(Operation("CONV_2D", (last, *range(first, out)), (out,)))
        operands += [scalar(0), computed(F32, (1, 14, 15, 8))]
        operations.append(Operation("ADD", (out, last, out + 1), (out + 2,)))
        last = out + 2
    return Model(tuple(operands), tuple(operations), (0,), (last,))


def calls_for(count: int) -> int:
    model = long_model(count)
    return calls_in(lambda: validate(model, FACTS))


def test_time_grows_as_the_number_of_operations_does() -> None:
    assert validate(long_model(300), FACTS).is_valid
    assert calls_for(1_200) < 4.1 * calls_for(300)


def test_reading_a_vector_does_not_depend_on_the_size_of_other_constants() -> None:
    model = long_model(2)
    large = replace(model.operands[1], shape=(8, 300, 300, 8), source=Immediate(bytes(4 * 8 * 300 * 300 * 8)))

    made = replace(model, operands=(model.operands[0], large, *model.operands[2:]))

    faults = validate(made, FACTS).faults

    assert peak_bytes_in(lambda: validate(made, FACTS)) < 300_000
    assert [fault.rule for fault in faults] == [Rule.INPUT_SHAPE, Rule.INPUT_SHAPE]
