"""Shapes that follow from an operation, and inputs that fit no such operation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, UNSPECIFIED, Model, ModelInput, Operand, Shape
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.detection_models import align, bbox_transform, detection, heatmap, nms, proposals, roi_pooling
from tests.lowering.nnapi.disagreement_models import transpose_conv
from tests.lowering.nnapi.recurrent_models import (
    bidirectional_lstm,
    bidirectional_rnn,
    rnn,
    sequence_rnn,
    svdf,
    wide_lstm,
)
from tests.lowering.nnapi.small_models import (
    BOOL8,
    F32,
    I32,
    computed,
    conditional,
    conv,
    given,
    ints,
    loop,
    lstm,
    nothing,
    pool,
    scalar,
    single,
    unary,
    weights,
    with_input,
)

FACTS = load_operations()

later = Operand(OperandType.INT32, (), ModelInput())
"""A scalar that comes at execution."""


def open_outputs(model: Model) -> Model:
    """The model with outputs of which not even the rank is declared."""
    operation = model.operations[0]
    outputs = [replace(model.operands[index], shape=UNKNOWN_RANK) for index in operation.outputs]
    return single(operation.kind, [model.operands[index] for index in operation.inputs], outputs, model.referenced)


def inferred(model: Model) -> list[Shape]:
    """What the validator makes of the outputs of a model without faults."""
    validation = validate(open_outputs(model), FACTS)
    assert [fault.message for fault in validation.faults] == []
    return [validation.shapes[index] for index in model.operations[0].outputs]


def declared(model: Model) -> list[Shape]:
    return [model.operands[index].shape for index in model.operations[0].outputs]


def rules(model: Model) -> list[Rule]:
    return [fault.rule for fault in validate(model, FACTS).faults]


def transposed_to(*sizes: int, padding: int = 1) -> Model:
    """TRANSPOSE_CONV_2D of 4 x 5 pixels by a 3 x 4 filter and strides of 2 to an image of given sizes."""
    numbers = (scalar(number) for number in (padding, 2, 2, 0))
    inputs = [
        given(F32, (1, 4, 5, 2)),
        weights(F32, (3, 3, 4, 2)),
        weights(F32, (3,)),
        ints(*sizes),
        *numbers,
        scalar(False),
    ]
    return single("TRANSPOSE_CONV_2D", inputs, [computed(F32, UNKNOWN_RANK)])


def of(kind: str, shape: Shape, *inputs: Operand) -> Model:
    """One operation of one tensor."""
    return single(kind, [given(F32, shape), *inputs], [computed(F32, UNKNOWN_RANK)])


@pytest.mark.parametrize(
    "model",
    [
        conv(),
        pool(),
        rnn(),
        sequence_rnn(states=True),
        bidirectional_rnn(states=True),
        bidirectional_rnn(merged=True, time_major=True),
        bidirectional_lstm(states=True),
        bidirectional_lstm(merged=True),
        lstm(),
        lstm(coupled=True),
        svdf(),
        wide_lstm(),
        align(),
        roi_pooling(),
        heatmap(),
        bbox_transform(),
        detection(),
        proposals(),
        nms(),
        conditional(),
        loop(),
    ],
)
def test_infers_the_declared_shapes(model: Model) -> None:
    assert inferred(model) == declared(model)


INFERRED: dict[str, tuple[Model, Shape]] = {
    "a reduction of unknown axes": (of("MEAN", (2, 3), given(I32, (1,)), scalar(1)), UNKNOWN_RANK),
    "a reduction that keeps no axis for a negative flag": (of("MEAN", (2, 3), ints(0), scalar(-1)), (3,)),
    "a transposition in an order that comes later": (
        of("TRANSPOSE", (2, 3), given(I32, (2,))),
        (UNSPECIFIED, UNSPECIFIED),
    ),
    "a fill whose sizes come later": (
        single("FILL", [given(I32, (3,)), scalar(1.0)], [computed(F32, UNKNOWN_RANK)]),
        (UNSPECIFIED,) * 3,
    ),
    "a reshape with an unknown batch": (of("RESHAPE", (UNSPECIFIED, 6), ints(-1, 3)), (UNSPECIFIED, 3)),
    "a broadcast with an unknown batch": (
        single("ADD", [given(F32, (UNSPECIFIED, 3)), given(F32, (3,)), scalar(0)], [computed(F32, UNKNOWN_RANK)]),
        (UNSPECIFIED, 3),
    ),
    "an unknown size that may be repeated": (
        single("ADD", [given(F32, (UNSPECIFIED, 3)), given(F32, (1, 3)), scalar(0)], [computed(F32, UNKNOWN_RANK)]),
        (UNSPECIFIED, 3),
    ),
    "an unknown size that fits only one": (
        single("ADD", [given(F32, (UNSPECIFIED, 3)), given(F32, (5, 3)), scalar(0)], [computed(F32, UNKNOWN_RANK)]),
        (5, 3),
    ),
    "a concatenation of an unknown size": (
        single(
            "CONCATENATION",
            [given(F32, (2, UNSPECIFIED)), given(F32, (4, 3)), scalar(0)],
            [computed(F32, UNKNOWN_RANK)],
        ),
        (6, 3),
    ),
    "a concatenation along an unknown size": (
        single(
            "CONCATENATION",
            [given(F32, (2, UNSPECIFIED)), given(F32, (2, 3)), scalar(1)],
            [computed(F32, UNKNOWN_RANK)],
        ),
        (2, UNSPECIFIED),
    ),
    "an axis that comes later": (
        single("ARGMAX", [given(F32, (2, 3)), later], [computed(I32, UNKNOWN_RANK)]),
        UNKNOWN_RANK,
    ),
    "implicit padding that keeps the size over the stride": (
        of("MAX_POOL_2D", (1, 7, 9, 4), *(scalar(n) for n in (1, 2, 3, 5, 4, 0))),
        (1, 3, 5, 4),
    ),
    "implicit padding that drops the rest": (
        of("MAX_POOL_2D", (1, 7, 9, 4), *(scalar(n) for n in (2, 2, 3, 5, 4, 0))),
        (1, 2, 3, 4),
    ),
    "channels before height and width": (
        of("RESIZE_BILINEAR", (1, 4, 7, 9), scalar(5), scalar(3), scalar(True)),
        (1, 4, 3, 5),
    ),
    "a layout that comes later": (
        of("RESIZE_BILINEAR", (1, 4, 7, 9), scalar(5), scalar(3), Operand(OperandType.BOOL, (), ModelInput())),
        (UNSPECIFIED,) * 4,
    ),
    "a scaled image, rounded down": (
        of("RESIZE_NEAREST_NEIGHBOR", (1, 7, 9, 4), scalar(0.4), scalar(1.5), scalar(False)),
        (1, 10, 3, 4),
    ),
    "a strided slice from the end": (
        of("STRIDED_SLICE", (7, 5), ints(-2, 0), ints(-8, 5), ints(-2, 2), *[scalar(0)] * 3),
        (3, 3),
    ),
    "a strided slice whose ends are masked": (
        of("STRIDED_SLICE", (7, 5), ints(4, 3), ints(5, 4), ints(2, 1), scalar(1), scalar(2), scalar(0)),
        (3, 2),
    ),
    "a shrunk axis": (
        of("STRIDED_SLICE", (7, 5), ints(2, 0), ints(3, 5), ints(1, 1), scalar(0), scalar(0), scalar(1)),
        (5,),
    ),
    "squeezing all of an unknown shape": (of("SQUEEZE", (UNSPECIFIED, 1), nothing(I32, (1,))), UNKNOWN_RANK),
    "gathered rows by a matrix of indices": (of("GATHER", (5, 7), scalar(-2), given(I32, (2, 3))), (2, 3, 7)),
    "blocks of pixels": (of("DEPTH_TO_SPACE", (1, 2, 3, 8), scalar(2)), (1, 4, 6, 2)),
    "padded blocks": (
        of("SPACE_TO_BATCH_ND", (1, 3, 4, 5), ints(2, 3), ints(1, 0, 1, 1, shape=(2, 2))),
        (6, 2, 2, 5),
    ),
    "the product of adjoint matrices": (
        single(
            "BATCH_MATMUL",
            [given(F32, (7, 2, 3)), given(F32, (7, 5, 2)), scalar(True), scalar(True)],
            [computed(F32, UNKNOWN_RANK)],
        ),
        (7, 3, 5),
    ),
    "rows of any rank": (
        single(
            "FULLY_CONNECTED",
            [given(F32, (2, 3, 4)), weights(F32, (5, 12)), weights(F32, (5,)), scalar(0)],
            [computed(F32, UNKNOWN_RANK)],
        ),
        (2, 5),
    ),
    "an image of which a convolution gives the input": (transposed_to(1, 7, 10, 3), (1, 7, 10, 3)),
    "an image without padding": (transposed_to(1, 9, 12, 3, padding=2), (1, 9, 12, 3)),
    "mirrored edges": (of("MIRROR_PAD", (2, 3), ints(1, 1, 2, 2, shape=(2, 2)), scalar(0)), (4, 7)),
}


@pytest.mark.parametrize("name", INFERRED)
def test_infers(name: str) -> None:
    model, shape = INFERRED[name]

    assert inferred(model) == [shape]


MISFITS: dict[str, tuple[Model, Rule]] = {
    "a mirror larger than the tensor": (
        of("MIRROR_PAD", (2, 3), ints(2, 0, 0, 0, shape=(2, 2)), scalar(0)),
        Rule.VALUE,
    ),
    "a mirror mode that is not known": (
        of("MIRROR_PAD", (2, 3), ints(1, 0, 0, 0, shape=(2, 2)), scalar(2)),
        Rule.VALUE,
    ),
    "matrices of other inner size": (
        single(
            "BATCH_MATMUL",
            [given(F32, (2, 3)), given(F32, (2, 5)), scalar(False), scalar(False)],
            [computed(F32, UNKNOWN_RANK)],
        ),
        Rule.INPUT_SHAPE,
    ),
    "a division into blocks that leaves a rest": (of("SPACE_TO_DEPTH", (1, 3, 4, 5), scalar(2)), Rule.INPUT_SHAPE),
    "channels that are no blocks": (of("DEPTH_TO_SPACE", (1, 3, 4, 5), scalar(2)), Rule.INPUT_SHAPE),
    "groups that do not divide the channels": (of("CHANNEL_SHUFFLE", (2, 5), scalar(2), scalar(1)), Rule.VALUE),
    "a k above the last axis": (
        single("TOPK_V2", [given(F32, (2, 3)), scalar(4)], [computed(F32, UNKNOWN_RANK), computed(I32, UNKNOWN_RANK)]),
        Rule.VALUE,
    ),
    "a condition that would have to broadcast": (
        single("SELECT", [given(BOOL8, (2, 1)), given(F32, (2, 3)), given(F32, (2, 3))], [computed(F32, UNKNOWN_RANK)]),
        Rule.INPUT_SHAPE,
    ),
    "pieces of other rank": (
        single("CONCATENATION", [given(F32, (2, 3)), given(F32, (2, 3, 1)), scalar(0)], [computed(F32, UNKNOWN_RANK)]),
        Rule.INPUT_SHAPE,
    ),
    "pieces of other size": (
        single("CONCATENATION", [given(F32, (2, 3)), given(F32, (2, 4)), scalar(0)], [computed(F32, UNKNOWN_RANK)]),
        Rule.INPUT_SHAPE,
    ),
    "packed tensors of other shape": (
        single("PACK", [scalar(0), given(F32, (2, 3)), given(F32, (3, 2))], [computed(F32, UNKNOWN_RANK)]),
        Rule.INPUT_SHAPE,
    ),
    "a pack behind the last axis": (
        single("PACK", [scalar(3), given(F32, (2, 3))], [computed(F32, UNKNOWN_RANK)]),
        Rule.VALUE,
    ),
    "a reversed axis from the end": (of("REVERSE", (2, 3), ints(-1)), Rule.VALUE),
    "two reversed axes": (of("REVERSE", (2, 3), ints(0, 1)), Rule.INPUT_SHAPE),
    "a stride against a shrunk axis": (
        of("STRIDED_SLICE", (7,), ints(2), ints(1), ints(-1), scalar(0), scalar(0), scalar(1)),
        Rule.VALUE,
    ),
    "a filter rank that does not divide the filters": (with_input(svdf(), 5, scalar(3)), Rule.VALUE),
    "a lookup beyond the values": (
        single("EMBEDDING_LOOKUP", [ints(0, 5), given(F32, (5, 2))], [computed(F32, UNKNOWN_RANK)]),
        Rule.VALUE,
    ),
    "keys without values": (
        single(
            "HASHTABLE_LOOKUP",
            [given(I32, (3,)), given(I32, (4,)), given(F32, (5, 2))],
            [computed(F32, UNKNOWN_RANK), computed(OperandType.TENSOR_QUANT8_ASYMM, UNKNOWN_RANK, 1.0)],
        ),
        Rule.INPUT_SHAPE,
    ),
    "weights of a hash for other inputs": (
        single(
            "LSH_PROJECTION",
            [given(F32, (2, 3)), given(F32, (4, 5)), given(F32, (3,)), scalar(3)],
            [computed(I32, UNKNOWN_RANK)],
        ),
        Rule.INPUT_SHAPE,
    ),
    "a dense hash without weights": (
        single(
            "LSH_PROJECTION",
            [given(F32, (2, 3)), given(F32, (4, 5)), nothing(F32, (4,)), scalar(2)],
            [computed(I32, UNKNOWN_RANK)],
        ),
        Rule.MISSING_VALUE,
    ),
    "boxes of three numbers": (with_input(detection(), 1, given(F32, (1, 6, 3))), Rule.INPUT_SHAPE),
    "a heatmap that is no square": (with_input(heatmap(), 0, given(F32, (2, 7, 6, 3))), Rule.INPUT_SHAPE),
    "regions of other number": (with_input(align(), 2, given(I32, (4,))), Rule.INPUT_SHAPE),
    "deltas for half a class": (with_input(bbox_transform(), 1, given(F32, (3, 6))), Rule.INPUT_SHAPE),
    "an auxiliary input of other steps": (
        with_input(bidirectional_rnn(), 9, given(F32, (2, 6, 3))),
        Rule.INPUT_SHAPE,
    ),
    "a parallel auxiliary input of other size": (
        with_input(bidirectional_lstm(), 39, given(F32, (2, 7, 4))),
        Rule.INPUT_SHAPE,
    ),
    "a transposition without order of more than a matrix": (
        of("TRANSPOSE", (2, 3, 5), nothing(I32, (3,))),
        Rule.INPUT_SHAPE,
    ),
    "an image of which no convolution gives the input": (transposed_to(1, 9, 10, 3), Rule.VALUE),
    "an image that padding leaves empty": (open_outputs(transpose_conv(6, 6)), Rule.INPUT_SHAPE),
    "an image of other channels": (transposed_to(1, 7, 10, 4), Rule.VALUE),
    "an image of other batch": (transposed_to(2, 7, 10, 3), Rule.VALUE),
    "an image of three sizes": (transposed_to(7, 10, 3), Rule.VALUE),
    "a time-major flag that is neither 0 nor 1": (with_input(sequence_rnn(), 6, scalar(2)), Rule.VALUE),
}


@pytest.mark.parametrize("name", MISFITS)
def test_rejects(name: str) -> None:
    model, rule = MISFITS[name]

    faults = validate(model, FACTS).faults

    assert [fault.rule for fault in faults] == [rule], [fault.message for fault in faults]


def quantized_step(cell_scale: float, *, is_normalized: bool = False) -> Model:
    """QUANTIZED_LSTM, or one without an input gate whose other gates are normalized."""
    symm, wide = OperandType.TENSOR_QUANT8_SYMM, OperandType.TENSOR_QUANT16_SYMM
    signed = OperandType.TENSOR_QUANT8_ASYMM_SIGNED
    missing = [replace(nothing(wide, (4,)), quant=weights(wide, (4,), 1.0).quant) for _ in range(4)]
    normalization = [missing[3], *(weights(wide, (4,), 1.0) for _ in range(3))] if is_normalized else missing
    gates = [
        *(weights(symm, (4, 3), 0.01) for _ in range(4)),
        *(weights(symm, (4, 4), 0.01) for _ in range(4)),
    ]
    biases: list[Operand] = [weights(I32, (4,)) for _ in range(4)]
    if is_normalized:
        # Without an input gate there is nothing of it to normalize.
        gates[0], gates[4] = (replace(nothing(symm, gate.shape), quant=gate.quant) for gate in (gates[0], gates[4]))
        biases[0] = nothing(I32, (4,))
    inputs = [
        given(signed, (2, 3), 1 / 128),
        *gates,
        *missing[:3],
        *biases,
        replace(nothing(symm, (4, 4)), quant=weights(symm, (4, 4), 0.5).quant),
        nothing(I32, (4,)),
        given(signed, (2, 4), 1 / 128),
        given(wide, (2, 4), cell_scale),
        *normalization,
        *(scalar(number) for number in (0.0, 0.0, 0.007, 0.007, 0.007, 0.007)),
        scalar(0),
        scalar(0.007),
    ]
    outputs = [
        computed(signed, (2, 4), 1 / 128),
        computed(wide, (2, 4), cell_scale),
        computed(signed, (2, 4), 1 / 128),
    ]
    return single("QUANTIZED_LSTM", inputs, outputs)


def test_a_cell_state_of_a_quantized_lstm_has_a_power_of_two_as_scale() -> None:
    assert rules(quantized_step(1 / 32768)) == []
    assert rules(quantized_step(3.05176e-05)) == []
    assert rules(quantized_step(1 / 30000)) == [Rule.QUANTIZATION]


def test_branches_that_give_other_shapes_leave_the_output_open() -> None:
    model = open_outputs(conditional(otherwise=unary("RELU", shape=(2, UNSPECIFIED))))

    validation = validate(model, FACTS)

    assert validation.is_valid
    assert validation.shapes[-1] == (2, UNSPECIFIED)
