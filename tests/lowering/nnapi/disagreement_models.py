"""Models on which specification, Android's validators and tests disagree, and how each is decided.

A number is the feature level of a model that is accepted; a rule is the one that a refused model breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, Model, Operand
from nnapi_check.lowering.nnapi.validation.faults import Rule
from tests.lowering.nnapi.detection_models import (
    align,
    bbox_transform,
    detection,
    heatmap,
    nms,
    proposals,
    roi_pooling,
)
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
    F16,
    F32,
    I32,
    Q8,
    Q8S,
    Q16S,
    add,
    computed,
    conv,
    fully_connected,
    given,
    ints,
    lstm,
    nothing,
    pool,
    quantized_conv,
    scalar,
    single,
    unary,
    weights,
    with_input,
    with_inputs,
    with_output,
)

Verdict = int | Rule
Cases = Sequence[tuple[Model, Verdict]]


def matmul(*flags: Operand, kind: OperandType = F32) -> Model:
    return single("BATCH_MATMUL", [given(kind, (2, 3)), given(kind, (3, 5)), *flags], [computed(kind, (2, 5))])


def depthwise(filter_scale: float, output_scale: float) -> Model:
    inputs = [
        given(Q8, (1, 7, 9, 2), 0.5),
        weights(Q8, (1, 3, 2, 4), filter_scale),
        weights(I32, (4,), 0.5 * filter_scale),
        *(scalar(number) for number in (0, 0, 0, 0, 1, 1, 2, 0)),
    ]
    return single("DEPTHWISE_CONV_2D", inputs, [computed(Q8, (1, 5, 8, 4), output_scale)])


def moved(kind: str, element: OperandType, *inputs: Operand, out: tuple[int, ...]) -> Model:
    """An operation that moves the elements of a 2 x 3 tensor."""
    scale = 0.5 if element in (Q8, Q8S) else 0.0
    return single(kind, [given(element, (2, 3), scale), *inputs], [computed(element, out, scale)])


def padded(kind: str, zero_point: int) -> Model:
    image = given(Q8, (1, 4, 6, 2), 0.5, zero_point)
    if kind == "PAD":
        pads = ints(0, 0, 1, 2, 0, 3, 0, 0, shape=(4, 2))
        return single(kind, [image, pads], [computed(Q8, (1, 7, 9, 2), 0.5, zero_point)])
    inputs = [image, ints(2, 3), ints(1, 1, 0, 0, shape=(2, 2))]
    return single(kind, inputs, [computed(Q8, (6, 3, 2, 2), 0.5, zero_point)])


def squeezed(kind: str, *inputs: Operand) -> Model:
    return single(kind, [given(F32, (1, 3)), *inputs], [computed(F32, (3,))])


def transposed(*inputs: Operand) -> Model:
    return single("TRANSPOSE", [given(F32, (2, 3)), *inputs], [computed(F32, (3, 2))])


def transpose_conv(left: int, right: int) -> Model:
    inputs = [
        given(F32, (1, 4, 5, 2)),
        weights(F32, (3, 3, 4, 2)),
        weights(F32, (3,)),
        *(scalar(number) for number in (left, right, 0, 0, 2, 2, 0)),
        scalar(False),
    ]
    return single("TRANSPOSE_CONV_2D", inputs, [computed(F32, (1, 9, 12 - left - right, 3))])


def signed(kind: str) -> Model:
    """An operation over TENSOR_QUANT8_ASYMM_SIGNED whose own validator says level 3."""
    tensor = given(Q8S, (2, 3), 0.5)
    match kind:
        case "DEQUANTIZE":
            return single(kind, [tensor], [computed(F32, (2, 3))])
        case "L2_NORMALIZATION":
            return single(kind, [tensor], [computed(Q8S, (2, 3), 1 / 128)])
        case "SELECT":
            return single(kind, [given(BOOL8, (2, 3)), tensor, tensor], [computed(Q8S, (2, 3), 0.25)])
        case _:
            return single(kind, [tensor, scalar(0)], [computed(I32, (3,))])


def projection(kind: OperandType) -> Model:
    inputs = [given(kind, (2, 3)), given(F32, (4, 5)), nothing(kind, (4,)), scalar(3)]
    return single("LSH_PROJECTION", inputs, [computed(I32, (2,))])


def of_rank(kind: str, rank: int, *inputs: Operand) -> Model:
    """An operation of a tensor of this rank."""
    shape = (2, 2, 2, 4, 2, 2, 2, 2, 2)[:rank]
    return single(kind, [given(F32, shape), *inputs], [computed(F32, UNKNOWN_RANK)])


def normalized(kind: str, shape: tuple[int, ...], *values: Operand) -> Model:
    return single(kind, [given(F32, shape), *values], [computed(F32, shape)])


LRN = (scalar(5), scalar(1.0), scalar(1.0), scalar(0.5))

DECIDED: Mapping[str, Cases] = {
    "trailing-defaults": [
        (with_inputs(pool(), *pool().operands[:10], scalar(False)), 1),
        (normalized("SOFTMAX", (2, 3), scalar(1.0), scalar(-1)), 1),
    ],
    "conv-output-scale": [
        (quantized_conv(filter_scale=0.5, bias_scale=0.25, output_scale=0.1), 3),
        (quantized_conv(filter_scale=2.0, bias_scale=1.0, output_scale=2.0), 1),
        (depthwise(0.5, 0.1), 3),
        (depthwise(2.0, 2.0), 1),
        (fully_connected(Q8, output_scale=0.1), 3),
    ],
    "div-quant8-signed": [
        (single("DIV", add(kind=Q8S).operands[:3], [computed(Q8S, (2, 3), 0.5)]), Rule.ELEMENT_TYPE),
        (single("DIV", add(kind=Q8).operands[:3], [computed(Q8, (2, 3), 0.5)]), Rule.ELEMENT_TYPE),
    ],
    "batch-matmul-optional": [
        (matmul(), Rule.INPUT_COUNT),
        (matmul(scalar(False)), Rule.INPUT_COUNT),
        (matmul(scalar(False), scalar(False)), 6),
    ],
    "signed-level-from-operand": [
        (signed(kind), 4) for kind in ("ARGMAX", "ARGMIN", "DEQUANTIZE", "L2_NORMALIZATION", "SELECT")
    ],
    "lsh-float16": [(projection(F16), 3), (projection(F32), 1)],
    "bbox-delta-signed": [(bbox_transform(Q8S), 4), (bbox_transform(Q8), 3)],
    "float16-scalars": [
        (align(F16), 3),
        (with_input(align(F16), 5, scalar(2.0)), Rule.INPUT_TYPE),
        (roi_pooling(F16), 3),
        (with_input(roi_pooling(F16), 6, scalar(2.0)), Rule.INPUT_TYPE),
        (nms(F16), 3),
        (with_input(nms(F16), 7, scalar(0.5)), Rule.INPUT_TYPE),
        (detection(F16), 3),
        (with_input(detection(F16), 4, scalar(5.0)), Rule.INPUT_TYPE),
        (proposals(F16), 3),
        (with_input(proposals(F16), 8, scalar(0.5)), Rule.INPUT_TYPE),
    ],
    "generate-proposals-input3": [
        (proposals(Q8), 3),
        (with_input(proposals(Q8), 3, given(Q16S, (1, 2), 0.125)), Rule.INPUT_TYPE),
    ],
    "quant16-zero-point": [
        (nms(Q8S), 4),
        (heatmap(Q8S), 4),
        (with_input(nms(Q8S), 1, given(OperandType.TENSOR_QUANT16_ASYMM, (5, 12), 0.125, 9)), Rule.QUANTIZATION),
        (with_input(heatmap(Q8S), 1, given(OperandType.TENSOR_QUANT16_ASYMM, (2, 4), 0.25)), Rule.QUANTIZATION),
    ],
    "pad-zero-point": [
        (padded("PAD", 0), 2),
        (padded("PAD", 9), 3),
        (padded("SPACE_TO_BATCH_ND", 0), 2),
        (padded("SPACE_TO_BATCH_ND", 9), 3),
    ],
    "concat-one": [(moved("CONCATENATION", F32, scalar(0), out=(2, 3)), 1)],
    "pack-one": [(single("PACK", [scalar(1), given(F32, (2, 3))], [computed(F32, (2, 1, 3))]), 6)],
    "lstm-layer-norm-cifg": [
        (lstm(coupled=True, with_layer_norm=True), 3),
        (with_input(lstm(coupled=True, with_layer_norm=True), 23, weights(F32, (4,))), Rule.MISSING_VALUE),
        (with_inputs(lstm(), *lstm().operands[:23], weights(F32, (4,))), Rule.INPUT_COUNT),
    ],
    "omitted-shape": [
        (bidirectional_rnn(auxiliary=nothing(F32, (1,))), 3),
        (bidirectional_lstm(auxiliary=nothing(F32, (1,))), 3),
    ],
    "bidirectional-rnn-outputs": [
        (bidirectional_rnn(merged=True), 3),
        (bidirectional_rnn(merged=True, states=True), 4),
        (bidirectional_rnn(merged=False, states=True), 4),
        (with_input(bidirectional_rnn(merged=True, states=True), 14, scalar(False)), Rule.VALUE),
        (bidirectional_lstm(merged=True, states=True), 4),
    ],
    "rank-not-validated": [
        (with_input(pool("AVERAGE_POOL_2D"), 0, given(F32, (7, 9, 4))), Rule.RANK),
        (with_input(pool("L2_POOL_2D"), 0, given(F32, (7, 9, 4))), Rule.RANK),
        (of_rank("DEPTH_TO_SPACE", 3, scalar(2)), Rule.RANK),
        (of_rank("SPACE_TO_DEPTH", 5, scalar(2)), Rule.RANK),
        (of_rank("BATCH_TO_SPACE_ND", 3, ints(2, 2)), Rule.RANK),
        (of_rank("RESIZE_BILINEAR", 3, scalar(2), scalar(2)), Rule.RANK),
        (of_rank("INSTANCE_NORMALIZATION", 3, *[scalar(1.0)] * 3, scalar(False)), Rule.RANK),
        (of_rank("REVERSE", 9, ints(0)), Rule.RANK),
        (single("EMBEDDING_LOOKUP", [ints(0), given(F32, (3,))], [computed(F32, (1,))]), Rule.RANK),
    ],
    "quant-checked-late": [
        (unary("LOGISTIC", Q8, scale=0.5), Rule.QUANTIZATION),
        (unary("TANH", Q8, scale=0.5, zero_point=128), Rule.QUANTIZATION),
        (with_output(moved("RESHAPE", Q8, ints(6), out=(6,)), 0, computed(Q8, (6,), 0.25)), Rule.QUANTIZATION),
        (single("MUL", add(kind=Q8).operands[:3], [computed(Q8, (2, 3), 0.25)]), Rule.QUANTIZATION),
        (single("MUL", add(kind=Q8).operands[:3], [computed(Q8, (2, 3), 0.26)]), 1),
    ],
    "relaxed-level": [(replace(add(), relaxed=True), 1)],
    "squeeze-transpose-optional": [
        (squeezed("SQUEEZE"), Rule.INPUT_COUNT),
        (squeezed("SQUEEZE", nothing(I32, (1,))), 2),
        (transposed(), Rule.INPUT_COUNT),
        (transposed(nothing(I32, (2,))), 2),
    ],
    "optional-fuse-code": [
        (rnn(), 1),
        (with_input(rnn(), 5, nothing(OperandType.INT32, ())), Rule.MISSING_VALUE),
        (svdf(), 1),
        (with_input(svdf(), 6, nothing(OperandType.INT32, ())), Rule.MISSING_VALUE),
    ],
    "fully-connected-bias-float16": [
        (fully_connected(F16), 3),
        (with_input(fully_connected(F16), 2, weights(F32, (5,))), Rule.INPUT_TYPE),
    ],
    "depth-to-space-text": [
        (single("DEPTH_TO_SPACE", [given(F32, (1, 2, 3, 8)), scalar(2)], [computed(F32, (1, 4, 6, 2))]), 1),
        (
            single("DEPTH_TO_SPACE", [given(F32, (1, 2, 3, 8)), scalar(2)], [computed(F32, (1, 4, 16, 2))]),
            Rule.OUTPUT_SHAPE,
        ),
    ],
    "bidirectional-lstm-state-shape": [
        (bidirectional_lstm(), 3),
        (with_input(bidirectional_lstm(), 35, given(F32, (2, 5))), Rule.INPUT_SHAPE),
    ],
    "bidirectional-rnn-input6": [
        (bidirectional_rnn(time_major=True), 3),
        (with_input(bidirectional_rnn(time_major=True), 13, scalar(False)), Rule.INPUT_SHAPE),
    ],
    "sequence-state-remark": [
        (sequence_rnn(), 3),
        (sequence_rnn(states=True), 4),
        (bidirectional_lstm(states=True), 4),
    ],
    "quantized-16bit-lstm-level": [(wide_lstm(), 3)],
    "api-level-29": [
        (
            single(
                "BATCH_TO_SPACE_ND",
                [given(F32, (6, 1, 4, 5)), ints(2, 3), scalar(True)],
                [computed(F32, (1, 1, 8, 15))],
            ),
            3,
        ),
        (transpose_conv(0, 0), 3),
    ],
    "maximum-minimum-select-signed": [
        (single(kind, [given(Q8S, (2, 3), 0.5), given(Q8S, (2, 3), 0.25)], [computed(Q8S, (2, 3), 0.125)]), 4)
        for kind in ("MAXIMUM", "MINIMUM")
    ]
    + [(signed("SELECT"), 4)],
    "roi-align-signed": [
        (align(Q8S), 4),
        (with_input(align(Q8S), 1, given(OperandType.TENSOR_QUANT16_ASYMM, (3, 4), 0.25)), Rule.QUANTIZATION),
    ],
    "pad-remark-position": [(padded("PAD", 1), 3), (padded("SPACE_TO_BATCH_ND", 1), 3)],
    "softmax-input-rank": [
        (normalized("SOFTMAX", (3,), scalar(1.0)), 3),
        (normalized("SOFTMAX", (2, 3), scalar(1.0)), 1),
        (normalized("SOFTMAX", (2, 3, 5), scalar(1.0)), 3),
        (normalized("SOFTMAX", (2, 3, 5, 7), scalar(1.0)), 1),
        (normalized("SOFTMAX", (1, 2, 3, 5, 7), scalar(1.0)), Rule.RANK),
    ],
    "lrn-input-rank": [
        (normalized("LOCAL_RESPONSE_NORMALIZATION", (2, 3, 5, 7), *LRN), 1),
        (normalized("LOCAL_RESPONSE_NORMALIZATION", (2, 3), *LRN), 3),
    ],
    "cast-identity": [
        (single("CAST", [given(BOOL8, (2, 3))], [computed(F32, (2, 3))]), Rule.OUTPUT_TYPE),
        (single("CAST", [given(Q8S, (2, 3), 0.5)], [computed(F32, (2, 3))]), Rule.OUTPUT_TYPE),
        (single("CAST", [given(F32, (2, 3))], [computed(BOOL8, (2, 3))]), Rule.OUTPUT_TYPE),
        (single("CAST", [given(BOOL8, (2, 3))], [computed(BOOL8, (2, 3))]), 4),
        (single("CAST", [given(I32, (2, 3))], [computed(F32, (2, 3))]), 3),
    ],
    "int32-moves": [
        (moved("CONCATENATION", I32, scalar(0), out=(2, 3)), Rule.ELEMENT_TYPE),
        (moved("TRANSPOSE", I32, ints(1, 0), out=(3, 2)), Rule.ELEMENT_TYPE),
        (moved("SQUEEZE", I32, nothing(I32, (1,)), out=(2, 3)), Rule.ELEMENT_TYPE),
        (moved("PAD", I32, ints(0, 0, 0, 0, shape=(2, 2)), out=(2, 3)), Rule.ELEMENT_TYPE),
        (moved("RESHAPE", BOOL8, ints(6), out=(6,)), Rule.ELEMENT_TYPE),
        (moved("RESHAPE", I32, ints(6), out=(6,)), 6),
        (moved("EXPAND_DIMS", I32, scalar(0), out=(1, 2, 3)), 3),
        (moved("TILE", I32, ints(1, 2), out=(2, 6)), 3),
    ],
    "pad-below-filter": [
        (conv(window=(2, 0, 2, 1, 1, 2, 0)), Rule.VALUE),
        (conv(window=(1, 0, 2, 3, 1, 2, 0)), Rule.VALUE),
        (with_input(pool(), 1, scalar(3)), Rule.VALUE),
        (with_input(pool("L2_POOL_2D"), 4, scalar(2)), Rule.VALUE),
        (with_input(depthwise(0.5, 2.0), 5, scalar(3)), Rule.VALUE),
    ],
    "transpose-conv-negative-padding": [(transpose_conv(1, -1), 3), (transpose_conv(-1, 1), Rule.VALUE)],
    "concat-axis": [
        (moved("CONCATENATION", F32, scalar(-1), out=(2, 3)), Rule.VALUE),
        (moved("CONCATENATION", F32, scalar(1), out=(2, 3)), 1),
    ],
    "softmax-beta": [
        (normalized("SOFTMAX", (2, 3), scalar(0.0)), Rule.VALUE),
        (normalized("SOFTMAX", (2, 3), scalar(-1.0)), Rule.VALUE),
        (normalized("SOFTMAX", (2, 3), scalar(0.5)), 1),
    ],
}
"""The verdict on each model, under the name of the disagreement."""
