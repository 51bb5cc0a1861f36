"""What the validator says word for word, and what it concludes where dimensions or values are left open."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Computed,
    Immediate,
    Model,
    ModelInput,
    Operand,
    QuantParams,
)
from nnapi_check.lowering.nnapi.shapes.shapes import compatible
from nnapi_check.lowering.nnapi.text import write_shape
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.conftest import Golden
from tests.lowering.nnapi.detection_models import align, bbox_transform, detection, heatmap, nms, proposals, roi_pooling
from tests.lowering.nnapi.disagreement_models import DECIDED
from tests.lowering.nnapi.recurrent_models import (
    bidirectional_lstm,
    bidirectional_rnn,
    rnn,
    sequence_rnn,
    svdf,
    wide_lstm,
)
from tests.lowering.nnapi.shapes.test_shapes import INFERRED, MISFITS, open_outputs, quantized_step
from tests.lowering.nnapi.small_models import (
    F32,
    I32,
    Q8,
    channelwise_conv,
    computed,
    conditional,
    conv,
    fully_connected,
    given,
    loop,
    lstm,
    pool,
    scalar,
    single,
    weights,
)
from tests.lowering.nnapi.validation.test_control_flow import MISFITS as CONTROL_FLOW_MISFITS
from tests.lowering.nnapi.validation.test_validate_every_operation import representatives

FACTS = load_operations()

MUST_BE_KNOWN = {Rule.MISSING_VALUE, Rule.CONTROL_FLOW}
"""What breaks where an operation must know more beforehand: a value, or that a condition is one truth value."""


def windowed(kind: str, filters: tuple[int, ...], *numbers: int | bool, element: OperandType = F32) -> Model:
    """A convolution of 7 x 9 pixels with implicit padding."""
    is_float = element is F32
    return single(
        kind,
        [
            given(element, (1, 7, 9, 4), 0.0 if is_float else 0.5),
            weights(element, filters, 0.0 if is_float else 0.25),
            weights(F32 if is_float else I32, (6 if filters[0] == 6 else filters[3],), 0.0 if is_float else 0.125),
            *(scalar(number) for number in (1, 2, 3, *numbers)),
        ],
        [computed(element, UNKNOWN_RANK, 0.0 if is_float else 0.5)],
    )


def sixteen_bits() -> Model:
    """QUANTIZED_16BIT_LSTM of 3 inputs and 4 units."""
    wide = OperandType.TENSOR_QUANT16_SYMM
    state = replace(given(Q8, (2, 4), 1 / 128), quant=QuantParams(1 / 128, 128))
    inputs = [
        replace(state, shape=(2, 3)),
        *(weights(Q8, (4, 3), 0.25) for _ in range(4)),
        *(weights(Q8, (4, 4), 0.25) for _ in range(4)),
        *(weights(I32, (4,), 0.25 / 128) for _ in range(4)),
        given(wide, (2, 4), 1 / 2048),
        state,
    ]
    outputs = [computed(wide, (2, 4), 1 / 2048), replace(state, source=Computed())]
    return single("QUANTIZED_16BIT_LSTM", inputs, outputs)


WHOLE: dict[str, Model] = {
    "CONV_2D with implicit padding": windowed("CONV_2D", (6, 3, 2, 4), 0, element=Q8),
    "DEPTHWISE_CONV_2D": windowed("DEPTHWISE_CONV_2D", (1, 3, 2, 8), 2, 0),
    "GROUPED_CONV_2D": windowed("GROUPED_CONV_2D", (6, 3, 2, 2), 2, 0, False),
    "QUANTIZED_16BIT_LSTM": sixteen_bits(),
    "QUANTIZED_LSTM": quantized_step(1 / 32768),
    "QUANTIZED_LSTM with layer normalization": quantized_step(1 / 32768, is_normalized=True),
    "CONV_2D": conv(),
    "CONV_2D with a scale per channel": channelwise_conv(),
    "MAX_POOL_2D": pool(),
    "FULLY_CONNECTED": fully_connected(),
    "RNN": rnn(),
    "UNIDIRECTIONAL_SEQUENCE_RNN": sequence_rnn(states=True),
    "BIDIRECTIONAL_SEQUENCE_RNN": bidirectional_rnn(states=True),
    "BIDIRECTIONAL_SEQUENCE_LSTM": bidirectional_lstm(states=True),
    "LSTM": lstm(),
    "an LSTM with every input": wide_lstm(),
    "SVDF": svdf(),
    "ROI_ALIGN": align(),
    "ROI_POOLING": roi_pooling(),
    "HEATMAP_MAX_KEYPOINT": heatmap(),
    "AXIS_ALIGNED_BBOX_TRANSFORM": bbox_transform(),
    "DETECTION_POSTPROCESSING": detection(),
    "GENERATE_PROPOSALS": proposals(),
    "BOX_WITH_NMS_LIMIT": nms(),
    "IF": conditional(),
    "WHILE": loop(),
}


def opened(operand: Operand) -> Iterator[tuple[str, Operand]]:
    """The operand with less known of it: each dimension, the rank, or the value."""
    if isinstance(operand.source, Immediate):
        yield "comes later", replace(operand, source=ModelInput())
        return
    if isinstance(operand.shape, tuple) and operand.type.is_tensor:
        for axis in range(len(operand.shape)):
            shape = (*operand.shape[:axis], UNSPECIFIED, *operand.shape[axis + 1 :])
            yield f"leaves dimension {axis} open", replace(operand, shape=shape)
        yield "leaves every dimension open", replace(operand, shape=(UNSPECIFIED,) * len(operand.shape))
        yield "leaves its rank open", replace(operand, shape=UNKNOWN_RANK)


def broken(operand: Operand) -> Iterator[tuple[str, Operand]]:
    """The operand with another dimension, another rank, other values or other quantization."""
    match operand.source:
        case Immediate(data) if operand.type in (OperandType.INT32, OperandType.TENSOR_INT32) and len(data) <= 16:
            for value in (-2, -1, 0, 7):
                changed = struct.pack("<i", value) + data[4:]
                yield f"starts with {value}", replace(operand, source=Immediate(changed))
        case Immediate(data) if operand.type is OperandType.BOOL:
            yield "is the other truth value", replace(operand, source=Immediate(bytes([1 - data[0]])))
        case _:
            pass
    if isinstance(operand.shape, tuple) and operand.type.is_tensor:
        source = ModelInput() if operand.is_constant else operand.source
        for axis, size in enumerate(operand.shape):
            for other in (1, 11):
                shape = (*operand.shape[:axis], other, *operand.shape[axis + 1 :])
                if size != other:
                    yield f"has size {other} on axis {axis}", replace(operand, shape=shape, source=source)
        yield "has one axis more", replace(operand, shape=(*operand.shape, 1), source=source)
    if operand.quant.scale:
        doubled = replace(operand.quant, scale=2 * operand.quant.scale)
        yield "has twice the scale", replace(operand, quant=doubled)


Change = Callable[[Operand], Iterator[tuple[str, Operand]]]


def with_changes(model: Model, change: Change) -> Iterator[tuple[str, Model]]:
    """The model with each input of its first operation changed in each way."""
    for position, index in enumerate(model.operations[0].inputs):
        for words, operand in change(model.operands[index]):
            operands = (*model.operands[:index], operand, *model.operands[index + 1 :])
            is_new = isinstance(operand.source, ModelInput) and index not in model.inputs
            inputs = (*model.inputs, index) if is_new else model.inputs
            yield f"input {position} {words}", replace(model, operands=operands, inputs=inputs)


def written_faults(model: Model, level: int | None = None) -> Iterator[str]:
    validation = validate(model, FACTS, level=level)
    yield from (f"  {fault.message}" for fault in validation.faults)
    yield f"  level {validation.level}, as written {validation.level_as_written}"
    yield from (f"  {demand.level}: {demand.what}" for demand in validation.demands)


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_changed_has_no_fault_before(name: str) -> None:
    assert validate(WHOLE[name], FACTS).faults == ()


def test_every_fault_is_told_in_these_words(golden: Golden) -> None:
    lines: list[str] = []
    cases = {name: model for name, (model, _) in MISFITS.items()}
    cases |= {f"control flow {number}": model for number, model in enumerate(CONTROL_FLOW_MISFITS)}
    cases |= {f"{name} {number}": model for name, models in DECIDED.items() for number, (model, _) in enumerate(models)}
    for name, model in cases.items():
        lines.append(name)
        lines.extend(written_faults(model))

    golden("nnapi_faults.txt", "\n".join(lines) + "\n")


def test_a_level_too_low_is_told_in_these_words(golden: Golden) -> None:
    lines: list[str] = []
    for name, model in WHOLE.items():
        for level in (1, 3):
            lines.append(f"{name} at level {level}")
            lines.extend(written_faults(model, level))

    golden("nnapi_level_faults.txt", "\n".join(lines) + "\n")


def test_less_known_inputs_leave_these_shapes(golden: Golden) -> None:
    lines: list[str] = []
    models = WHOLE | {name: model for name, (model, _) in INFERRED.items()}
    for name, model in models.items():
        lines.append(name)
        for words, less in with_changes(open_outputs(model), opened):
            validation = validate(less, FACTS)
            shapes = [write_shape(validation.shapes[index]) for index in less.operations[0].outputs]
            faults = "".join(f" | {fault.message}" for fault in validation.faults)
            lines.append(f"  {words}: {' '.join(shapes)}{faults}")

    golden("nnapi_open_shapes.txt", "\n".join(lines) + "\n")


def test_other_inputs_break_these_rules(golden: Golden) -> None:
    lines: list[str] = []
    models = WHOLE | {name: model for name, (model, _) in INFERRED.items()}
    for name, model in models.items():
        lines.append(name)
        for words, other in with_changes(open_outputs(model), broken):
            validation = validate(other, FACTS)
            if validation.faults:
                lines.extend(f"  {words}: {fault.message}" for fault in validation.faults)
            else:
                shapes = [write_shape(validation.shapes[index]) for index in other.operations[0].outputs]
                lines.append(f"  {words}: {' '.join(shapes)}")

    golden("nnapi_other_inputs.txt", "\n".join(lines) + "\n")


@pytest.mark.skipif("NNAPI_VECTORS" not in os.environ, reason="NNAPI_VECTORS does not name a folder with vectors")
def test_less_known_inputs_contradict_no_conformance_model() -> None:
    wrong = []
    for kind, model in representatives().items():
        for words, less in with_changes(model, opened):
            validation = validate(less, FACTS)
            faults = [fault for fault in validation.faults if fault.rule not in MUST_BE_KNOWN]
            fits = all(
                compatible(model.operands[index].shape, validation.shapes[index])
                for index in model.operations[0].outputs
            )
            if not fits or faults:
                wrong.append((kind, words, [fault.message for fault in faults]))

    assert wrong == []
