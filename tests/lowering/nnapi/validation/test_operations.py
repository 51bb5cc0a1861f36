"""An operation that is changed in one place breaks exactly one rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, UNSPECIFIED, Computed, Immediate, Model, Operand
from nnapi_check.lowering.nnapi.shapes.shapes import INFERENCES
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.small_models import (
    BOOL8,
    F16,
    F32,
    I32,
    Q8,
    Q8S,
    add,
    channelwise_conv,
    computed,
    conv,
    fully_connected,
    given,
    half,
    ints,
    lstm,
    nothing,
    per_channel,
    pool,
    quantized_conv,
    scalar,
    single,
    unary,
    weights,
    with_input,
    with_inputs,
    with_operand,
    with_output,
)

FACTS = load_operations()


def rules(model: Model) -> list[Rule]:
    return [fault.rule for fault in validate(model, FACTS).faults]


def without_last_input(model: Model) -> Model:
    operation = model.operations[0]
    return with_inputs(model, *(model.operands[index] for index in operation.inputs[:-1]))


def of_kind(model: Model, kind: str) -> Model:
    return replace(model, operations=(replace(model.operations[0], kind=kind),))


def move(kind: str, *inputs: Operand, shape: tuple[int, ...] = (2, 3, 5), out: tuple[int, ...] = (2, 3, 5)) -> Model:
    return single(kind, [given(F32, shape), *inputs], [computed(F32, out)])


def implicit_depthwise(channel_dim: int) -> Model:
    """DEPTHWISE_CONV_2D with a scale per channel and implicit padding."""
    shape = (1, 3, 2, 4)
    inputs = [
        given(Q8, (1, 7, 9, 2), 0.5),
        per_channel(shape, (0.25,) * shape[channel_dim], channel_dim),
        weights(I32, (4,)),
        *(scalar(number) for number in (2, 1, 1, 2, 0)),
    ]
    return single("DEPTHWISE_CONV_2D", inputs, [computed(Q8, (1, 5, 8, 4), 0.5)])


def packed(scale: float) -> Model:
    """PACK of two tensors, of which the second has another scale than the output."""
    tensors = [given(Q8, (2, 3), 0.5), given(Q8, (2, 3), scale)]
    return single("PACK", [scalar(0), *tensors], [computed(Q8, (2, 2, 3), 0.5)])


VALID: dict[str, Model] = {
    "add": add(),
    "add of TENSOR_QUANT8_ASYMM": add(kind=Q8),
    "broadcast": with_input(add(), 1, given(F32, (3,))),
    "conv": conv(),
    "quantized conv": quantized_conv(),
    "conv per channel": channelwise_conv(),
    "pool": pool(),
    "fully connected": fully_connected(),
    "quantized fully connected": fully_connected(Q8),
    "depthwise conv per channel with implicit padding": implicit_depthwise(channel_dim=3),
    "pack": packed(scale=0.5),
    "concatenation": single(
        "CONCATENATION", [given(F32, (2, 3)), given(F32, (2, 4)), scalar(1)], [computed(F32, (2, 7))]
    ),
    "lstm": lstm(),
    "coupled lstm": lstm(coupled=True),
    "normalized lstm": lstm(with_layer_norm=True),
    "coupled normalized lstm": lstm(coupled=True, with_layer_norm=True),
    "logistic": unary("LOGISTIC", Q8, scale=1 / 256),
    "signed logistic": unary("LOGISTIC", Q8S, scale=1 / 256, zero_point=-128),
    "transpose": move("TRANSPOSE", ints(2, 0, 1), out=(5, 2, 3)),
    "squeeze": move("SQUEEZE", nothing(I32, (1,)), shape=(2, 1, 5), out=(2, 5)),
    "reshape": move("RESHAPE", ints(6, -1), out=(6, 5)),
    "gather": move("GATHER", scalar(1), ints(2, 0, 1, 2), out=(2, 4, 5)),
    "argmax": single("ARGMAX", [given(F32, (2, 3)), scalar(-1)], [computed(I32, (2,))]),
    "reduce": move("MEAN", ints(-1, 0), scalar(0), out=(3,)),
    "reduce all": move("MEAN", ints(0, 1, 2), scalar(0), out=(1,)),
    "pad": move("PAD", ints(0, 1, 2, 0, 3, 4, shape=(3, 2)), out=(3, 5, 12)),
    "slice": move("SLICE", ints(1, 0, 2), ints(1, -1, 2), out=(1, 3, 2)),
    "strided slice": move(
        "STRIDED_SLICE", ints(0, 2, 4), ints(2, 3, 0), ints(1, 1, -2), scalar(0), scalar(0), scalar(2), out=(2, 2)
    ),
    "fill": single("FILL", [ints(4, 7), scalar(1.5)], [computed(F32, (4, 7))]),
    "unspecified": add((UNSPECIFIED, 3)),
    "unknown rank": add(UNKNOWN_RANK),
    "cast": single("CAST", [given(F32, (2, 3))], [computed(I32, (2, 3))]),
    "instance normalization of TENSOR_FLOAT16": single(
        "INSTANCE_NORMALIZATION",
        [given(F16, (1, 7, 9, 4)), half(1.0), half(0.0), half(0.1), scalar(False)],
        [computed(F16, (1, 7, 9, 4))],
    ),
}


@pytest.mark.parametrize("name", VALID)
def test_accepts(name: str) -> None:
    faults = [fault.message for fault in validate(VALID[name], FACTS).faults]

    assert faults == []


BROKEN: dict[str, tuple[Model, Rule, int | None]] = {
    "too few inputs": (without_last_input(add()), Rule.INPUT_COUNT, None),
    "one dilation of two": (conv(extra=(scalar(False), scalar(1))), Rule.INPUT_COUNT, None),
    "both BATCH_MATMUL flags missing": (
        single("BATCH_MATMUL", [given(F32, (2, 3)), given(F32, (3, 5))], [computed(F32, (2, 5))]),
        Rule.INPUT_COUNT,
        None,
    ),
    "no tensor to concatenate": (single("CONCATENATION", [scalar(0)], [computed(F32, (2, 3))]), Rule.INPUT_COUNT, None),
    "one output too many": (
        single("RELU", [given(F32, (2, 3))], [computed(F32, (2, 3)), computed(F32, (2, 3))]),
        Rule.OUTPUT_COUNT,
        None,
    ),
    "an element type that is not taken": (unary("RELU", BOOL8), Rule.ELEMENT_TYPE, 0),
    "a quantized DIV": (of_kind(add(kind=Q8S), "DIV"), Rule.ELEMENT_TYPE, 0),
    "tensors of two types": (with_input(add(), 1, given(F16, (2, 3))), Rule.INPUT_TYPE, 1),
    "another output type": (with_output(add(), 0, computed(F16, (2, 3))), Rule.OUTPUT_TYPE, 3),
    "a scalar of another type": (with_input(add(), 2, scalar(0.0)), Rule.INPUT_TYPE, 2),
    "a filter type that is not combined with the input": (
        conv(kernel=per_channel((5, 3, 2, 4), (0.1,) * 5, 0)),
        Rule.INPUT_TYPE,
        1,
    ),
    "a float bias beside quantized tensors": (with_input(quantized_conv(), 2, weights(F32, (5,))), Rule.INPUT_TYPE, 2),
    "FLOAT32 scalars beside TENSOR_FLOAT16": (
        with_input(VALID["instance normalization of TENSOR_FLOAT16"], 3, scalar(0.1)),
        Rule.INPUT_TYPE,
        3,
    ),
    "CAST of TENSOR_BOOL8 to numbers": (
        single("CAST", [given(BOOL8, (2, 3))], [computed(F32, (2, 3))]),
        Rule.OUTPUT_TYPE,
        1,
    ),
    "a required input without value": (with_input(add(), 1, nothing(F32, (2, 3))), Rule.MISSING_VALUE, 1),
    "a layout flag without value": (
        conv(extra=(nothing(OperandType.BOOL, ()),)),
        Rule.MISSING_VALUE,
        10,
    ),
    "one of an LSTM's input gate weights missing": (with_input(lstm(), 5, nothing(F32, (4, 4))), Rule.MISSING_VALUE, 5),
    "a projection bias without projection": (with_input(lstm(), 17, weights(F32, (4,))), Rule.MISSING_VALUE, 17),
    "layer normalization of a coupled gate": (
        with_input(lstm(coupled=True, with_layer_norm=True), 23, weights(F32, (4,))),
        Rule.MISSING_VALUE,
        23,
    ),
    "a rank above 4": (unary("RELU", shape=(1, 2, 3, 4, 5)), Rule.RANK, 0),
    "a pooled matrix": (
        with_output(with_input(pool(), 0, given(F32, (7, 9))), 0, computed(F32, (1, 7, 5, 4))),
        Rule.RANK,
        0,
    ),
    "a pooled matrix of open sizes": (with_input(pool(), 0, given(F32, (UNSPECIFIED, UNSPECIFIED))), Rule.RANK, 0),
    "a bias of rank 2": (conv(bias=weights(F32, (1, 5))), Rule.RANK, 2),
    "LOGISTIC with another scale": (unary("LOGISTIC", Q8, scale=0.5), Rule.QUANTIZATION, 1),
    "signed LOGISTIC with another zero point": (unary("LOGISTIC", Q8S, scale=1 / 256), Rule.QUANTIZATION, 1),
    "TANH with another zero point": (unary("TANH", Q8, scale=1 / 128), Rule.QUANTIZATION, 1),
    "RELU that changes the scale": (unary("RELU", Q8, scale=0.25), Rule.QUANTIZATION, 1),
    "RELU that changes the zero point": (unary("RELU", Q8, scale=0.5, zero_point=1), Rule.QUANTIZATION, 1),
    "a bias scale that is not the product": (quantized_conv(bias_scale=0.126), Rule.QUANTIZATION, 2),
    "a bias scale beside scales per channel": (
        with_input(channelwise_conv(), 2, weights(I32, (5,), 0.125)),
        Rule.QUANTIZATION,
        2,
    ),
    "another channel dimension": (
        with_input(channelwise_conv(), 1, per_channel((5, 3, 2, 4), (0.1,) * 4, 3)),
        Rule.QUANTIZATION,
        1,
    ),
    "another channel dimension of a filter beside implicit padding": (
        implicit_depthwise(channel_dim=0),
        Rule.QUANTIZATION,
        1,
    ),
    "a packed tensor of other scale": (packed(scale=0.25), Rule.QUANTIZATION, 2),
    "an unknown fuse code": (with_input(add(), 2, scalar(4)), Rule.VALUE, 2),
    "a fused activation of integers": (with_input(add(kind=I32), 2, scalar(1)), Rule.VALUE, 2),
    "a stride of 0": (conv(window=(1, 0, 2, 1, 0, 2, 0)), Rule.VALUE, 7),
    "a negative padding": (conv(window=(-1, 0, 2, 1, 1, 2, 0)), Rule.VALUE, 3),
    "a padding as large as the filter": (conv(window=(2, 0, 2, 1, 1, 2, 0)), Rule.VALUE, 3),
    "an axis beyond the rank": (
        single("ARGMAX", [given(F32, (2, 3)), scalar(2)], [computed(I32, (2,))]),
        Rule.VALUE,
        1,
    ),
    "axes that are no order": (move("TRANSPOSE", ints(2, 0, 0), out=(5, 2, 2)), Rule.VALUE, 1),
    "a shape of other size": (move("RESHAPE", ints(7, -1), out=(7, 4)), Rule.VALUE, 1),
    "two sizes left open": (move("RESHAPE", ints(-1, -1), out=(6, 5)), Rule.VALUE, 1),
    "an index beyond the axis": (move("GATHER", scalar(1), ints(3, 0), out=(2, 2, 5)), Rule.VALUE, 2),
    "a squeezed axis beyond the rank": (move("SQUEEZE", ints(3)), Rule.VALUE, 1),
    "a squeezed axis before the first": (move("SQUEEZE", ints(-4)), Rule.VALUE, 1),
    "a squeezed axis larger than 1": (move("SQUEEZE", ints(1), out=(2, 5)), Rule.VALUE, 1),
    "a slice beyond the end": (move("SLICE", ints(1, 0, 2), ints(1, 3, 4), out=(1, 3, 4)), Rule.VALUE, 2),
    "a stride of 0 in a slice": (
        move("STRIDED_SLICE", ints(0, 0, 0), ints(2, 3, 5), ints(1, 0, 1), scalar(0), scalar(0), scalar(0)),
        Rule.VALUE,
        3,
    ),
    "SOFTMAX with beta 0": (
        single("SOFTMAX", [given(F32, (2, 3)), scalar(0.0)], [computed(F32, (2, 3))]),
        Rule.VALUE,
        1,
    ),
    "shapes that do not broadcast": (with_input(add(), 1, given(F32, (2,))), Rule.INPUT_SHAPE, 1),
    "a filter for other channels": (conv(kernel=weights(F32, (5, 3, 2, 3))), Rule.INPUT_SHAPE, 1),
    "a bias of other length": (conv(bias=weights(F32, (4,))), Rule.INPUT_SHAPE, 2),
    "an image smaller than the window": (
        conv(image=given(F32, (1, 7, 1, 4)), window=(0, 0, 2, 1, 1, 2, 0)),
        Rule.INPUT_SHAPE,
        0,
    ),
    "paddings for other axes": (move("PAD", ints(0, 1, 2, 0, shape=(2, 2))), Rule.INPUT_SHAPE, 1),
    "LSTM weights of other size": (with_input(lstm(), 3, weights(F32, (4, 2))), Rule.INPUT_SHAPE, 3),
    "another output size": (with_output(conv(), 0, computed(F32, (1, 4, 8, 5))), Rule.OUTPUT_SHAPE, 10),
    "height and width of the output swapped": (
        with_output(conv(), 0, computed(F32, (1, 9, 4, 5))),
        Rule.OUTPUT_SHAPE,
        10,
    ),
    "another output rank": (with_output(add(), 0, computed(F32, (1, 2, 3))), Rule.OUTPUT_SHAPE, 3),
    "an output that is not transposed": (move("TRANSPOSE", ints(2, 0, 1)), Rule.OUTPUT_SHAPE, 2),
    "joined tensors of other size together": (
        single("CONCATENATION", [given(F32, (2, 3)), given(F32, (2, 4)), scalar(1)], [computed(F32, (2, 8))]),
        Rule.OUTPUT_SHAPE,
        3,
    ),
    "a reduction that keeps nothing": (move("MEAN", ints(0, 1, 2), scalar(0), out=(1, 1, 1)), Rule.OUTPUT_SHAPE, 3),
}


@pytest.mark.parametrize("name", BROKEN)
def test_rejects_and_names_the_operand_to_blame(name: str) -> None:
    model, rule, blamed = BROKEN[name]

    faults = validate(model, FACTS).faults

    found = [(fault.rule, fault.operation, fault.operand) for fault in faults]
    assert found == [(rule, 0, blamed)], [fault.message for fault in faults]


def test_every_operation_but_control_flow_has_an_inference_of_its_shapes() -> None:
    missing = sorted(set(FACTS) - set(INFERENCES) - {"IF", "WHILE"})

    assert missing == [], f"infer the shapes of {missing} in lowering/nnapi/shapes/"


def test_every_inference_is_of_an_operation_in_the_facts() -> None:
    assert set(INFERENCES) <= set(FACTS)


def test_a_scale_that_differs_only_beyond_float32_is_the_same() -> None:
    model = single("RELU", [given(Q8, (2, 3), 0.1)], [computed(Q8, (2, 3), 0.10000000001)])

    assert rules(model) == []


def test_a_bias_scale_within_a_millionth_of_the_product_is_accepted() -> None:
    assert rules(quantized_conv(bias_scale=0.125 * (1 + 5e-7))) == []
    assert rules(quantized_conv(bias_scale=0.125 * (1 + 5e-6))) == [Rule.QUANTIZATION]


def test_values_given_at_execution_are_not_judged() -> None:
    axis = Operand(OperandType.INT32, (), given(F32, ()).source)
    model = single("ARGMAX", [given(F32, (2, 3)), axis], [computed(I32, (7,))])

    assert rules(model) == []


def test_shapes_flow_from_operation_to_operation_through_unspecified_ones() -> None:
    first = single("ADD", [given(F32, (2, 3)), given(F32, (2, 3)), scalar(0)], [computed(F32, UNKNOWN_RANK)])
    operands = (*first.operands, computed(F32, (2, 4)))
    model = replace(
        first,
        operands=operands,
        operations=(*first.operations, replace(first.operations[0], kind="RELU", inputs=(3,), outputs=(4,))),
        outputs=(4,),
    )

    faults = validate(model, FACTS).faults

    assert [(fault.rule, fault.operation) for fault in faults] == [(Rule.OUTPUT_SHAPE, 1)]


def test_a_tensor_that_a_slice_leaves_empty_is_refused_where_emptiness_is_not_supported() -> None:
    model = single("SLICE", [given(F32, (2, 3)), ints(0, 0), ints(0, 3)], [computed(F32, (UNSPECIFIED, 3))])
    operands = (*model.operands, computed(F32, (UNSPECIFIED, 3)))
    floor = replace(model.operations[0], kind="FLOOR", inputs=(3,), outputs=(4,))
    relu = replace(floor, kind="RELU")

    assert rules(replace(model, operands=operands, operations=(model.operations[0], relu), outputs=(4,))) == []
    refused = replace(model, operands=operands, operations=(model.operations[0], floor), outputs=(4,))
    assert rules(refused) == [Rule.ZERO_SIZE]


def test_resizing_by_scale_and_by_size_are_told_apart_by_type() -> None:
    by_size = single("RESIZE_BILINEAR", [given(F32, (1, 7, 9, 4)), scalar(5), scalar(3)], [computed(F32, (1, 3, 5, 4))])
    by_scale = single(
        "RESIZE_BILINEAR", [given(F32, (1, 7, 9, 4)), scalar(0.5), scalar(2.0)], [computed(F32, (1, 14, 4, 4))]
    )

    assert validate(by_size, FACTS).faults == ()
    assert validate(by_scale, FACTS).faults == ()
    assert (validate(by_size, FACTS).level, validate(by_scale, FACTS).level) == (1, 3)


def test_resizing_to_corners_and_to_half_pixels_excludes_each_other() -> None:
    flags = [scalar(False), scalar(True), scalar(True)]
    inputs = [given(F32, (1, 7, 9, 4)), scalar(5), scalar(3), *flags]

    assert rules(single("RESIZE_BILINEAR", inputs, [computed(F32, (1, 3, 5, 4))])) == [Rule.VALUE]


def test_the_number_of_splits_is_the_number_of_outputs() -> None:
    outputs = [computed(F32, (2, 3)), computed(F32, (2, 3))]

    assert rules(single("SPLIT", [given(F32, (2, 6)), scalar(1), scalar(2)], outputs)) == []
    assert rules(single("SPLIT", [given(F32, (2, 6)), scalar(1), scalar(3)], outputs)) == [Rule.VALUE]


def test_an_output_of_scalar_type_is_accepted_where_the_operation_gives_one() -> None:
    rank = Operand(OperandType.INT32, (), Computed())

    assert rules(single("RANK", [given(F32, (2, 3))], [rank])) == []


def test_a_constant_with_the_wrong_bytes_is_one_fault_only() -> None:
    order = replace(ints(1, 0), source=Immediate(bytes(4)))

    assert rules(single("TRANSPOSE", [given(F32, (2, 3)), order], [computed(F32, (3, 2))])) == [Rule.CONSTANT_SIZE]


def test_operands_that_an_earlier_fault_made_unusable_do_not_hide_other_operations() -> None:
    model = with_operand(add(), 3, computed(F32, (2, 3)))
    broken = replace(model.operations[0], inputs=(0, 99, 2))
    operands = (*model.operands, computed(F32, (5, 5)))
    second = replace(model.operations[0], kind="RELU", inputs=(3,), outputs=(4,))

    found = rules(replace(model, operands=operands, operations=(broken, second), outputs=(4,)))

    assert found == [Rule.OPERAND_INDEX, Rule.OUTPUT_SHAPE]
