"""What the validator says word for word, and what it concludes where dimensions or values are left open."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pytest
import torch

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
from nnapi_check.lowering.nnapi.text import write_shape, write_values
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


FEW_BYTES = 16
"""The most bytes of a constant that is shown, and changed."""

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
        yield "not constant", replace(operand, source=ModelInput())
        return
    if isinstance(operand.shape, tuple) and operand.type.is_tensor:
        for axis in range(len(operand.shape)):
            shape = (*operand.shape[:axis], UNSPECIFIED, *operand.shape[axis + 1 :])
            yield f"axis {axis} open", replace(operand, shape=shape)
        yield "every axis open", replace(operand, shape=(UNSPECIFIED,) * len(operand.shape))
        yield "rank open", replace(operand, shape=UNKNOWN_RANK)


def broken(operand: Operand) -> Iterator[tuple[str, Operand]]:
    """The operand with another dimension, another rank, other values or other quantization."""
    match operand.source:
        case Immediate(data) if (
            operand.type in (OperandType.INT32, OperandType.TENSOR_INT32) and len(data) <= FEW_BYTES
        ):
            for value in (-2, -1, 0, 7):
                changed = struct.pack("<i", value) + data[4:]
                yield f"first is {value}", replace(operand, source=Immediate(changed))
        case Immediate(data) if operand.type is OperandType.BOOL:
            yield "the other truth value", replace(operand, source=Immediate(bytes([1 - data[0]])))
        case _:
            pass
    if isinstance(operand.shape, tuple) and operand.type.is_tensor:
        source = ModelInput() if operand.is_constant else operand.source
        for axis, size in enumerate(operand.shape):
            for other in (1, 11):
                shape = (*operand.shape[:axis], other, *operand.shape[axis + 1 :])
                if size != other:
                    yield f"axis {axis} is {other}", replace(operand, shape=shape, source=source)
        yield "one axis more", replace(operand, shape=(*operand.shape, 1), source=source)
    if operand.quant.scale:
        doubled = replace(operand.quant, scale=2 * operand.quant.scale)
        yield "twice the scale", replace(operand, quant=doubled)


Change = Callable[[Operand], Iterator[tuple[str, Operand]]]


def with_changes(model: Model, change: Change) -> Iterator[tuple[int, str, Model]]:
    """The place of each input of the first operation, each change of it in words, and the model with it."""
    for position, index in enumerate(model.operations[0].inputs):
        for words, operand in change(model.operands[index]):
            operands = (*model.operands[:index], operand, *model.operands[index + 1 :])
            is_new = isinstance(operand.source, ModelInput) and index not in model.inputs
            inputs = (*model.inputs, index) if is_new else model.inputs
            yield position, words, replace(model, operands=operands, inputs=inputs)


@cache
def of_operations() -> dict[str, dict[str, Model]]:
    """The models by name, by the kind of their first operation; none declares a shape of its outputs."""
    found: dict[str, dict[str, Model]] = {}
    for name, model in (WHOLE | {name: model for name, (model, _) in INFERRED.items()}).items():
        found.setdefault(model.operations[0].kind, {})[name] = open_outputs(model)
    return found


def outcome(model: Model) -> str:
    """The shapes of a model's outputs, or the rules that it breaks, each with the input or output that breaks it."""
    validation = validate(model, FACTS)
    operation = model.operations[0]
    shapes = " ".join(write_shape(validation.shapes[index]) for index in operation.outputs)
    broken_rules = []
    for fault in validation.faults:
        places = [f" of input {place}" for place, index in enumerate(operation.inputs) if index == fault.operand]
        places += [f" of output {place}" for place, index in enumerate(operation.outputs) if index == fault.operand]
        broken_rules.append(fault.rule.value + "".join(places[:1]))
    return " and ".join(dict.fromkeys(broken_rules)) or shapes


def outcomes(model: Model) -> Iterator[str]:
    """For each input of the model: what becomes of it when the input changes, changes with one outcome on one line."""
    found: dict[int, dict[str, list[str]]] = {}
    for change in (opened, broken):
        for place, words, other in with_changes(model, change):
            found.setdefault(place, {}).setdefault(outcome(other), []).append(words)
    for place, by_outcome in found.items():
        operand = model.operands[model.operations[0].inputs[place]]
        value = ""
        if isinstance(operand.source, Immediate) and len(operand.source.data) <= FEW_BYTES:
            value = f" = {write_values(operand.type, operand.source.data)}"
        yield f"  input {place}: {operand.type.name} {write_shape(operand.shape)}{value}"
        for result, changes in by_outcome.items():
            yield f"    {', '.join(changes)}: {'the same' if result == outcome(model) else result}"


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_changed_has_no_fault_before(name: str) -> None:
    assert validate(WHOLE[name], FACTS).faults == ()


@cache
def worded_faults() -> dict[str, list[str]]:
    """By rule: the sentence of each fault of models that break it, and of models at a level that is too low."""
    cases = {name: model for name, (model, _) in MISFITS.items()}
    cases |= {f"control flow {number}": model for number, model in enumerate(CONTROL_FLOW_MISFITS)}
    cases |= {f"{name} {number}": model for name, models in DECIDED.items() for number, (model, _) in enumerate(models)}
    told: dict[str, list[str]] = {}
    for name, model in cases.items():
        for fault in validate(model, FACTS).faults:
            told.setdefault(fault.rule.value, []).append(f"{name}: {fault.message}")
    for name, model in WHOLE.items():
        for fault in validate(model, FACTS, level=1).faults:
            told.setdefault(fault.rule.value, []).append(f"{name}: {fault.message}")
    return told


@pytest.mark.parametrize("rule", sorted(worded_faults()))
def test_a_broken_rule_is_told_in_these_words(rule: str, golden: Golden) -> None:
    golden(f"broken_rules/{rule}.txt", "\n".join(worded_faults()[rule]) + "\n")


@pytest.mark.parametrize("kind", sorted(of_operations()))
def test_inputs_that_change_have_these_outcomes(kind: str, golden: Golden) -> None:
    lines: list[str] = []
    for name, model in of_operations()[kind].items():
        validation = validate(model, FACTS)
        lines.append(f"{name} gives {outcome(model)} from level {validation.level}")
        lines.extend(outcomes(model))

    golden(f"operations/{kind}.txt", "\n".join(lines) + "\n")


def numbers_of(model: Model) -> list[int]:
    """The scalars of a model's first operation."""
    sources = [model.operands[index] for index in model.operations[0].inputs]
    return [
        int.from_bytes(operand.source.data, "little", signed=True)
        for operand in sources
        if isinstance(operand.source, Immediate) and not operand.type.is_tensor
    ]


def in_pytorch(model: Model) -> tuple[int, ...]:
    """The output's shape as PyTorch computes it, in NNAPI's order."""
    image, *rest = (
        torch.empty([size for size in shape if isinstance(size, int)], device="meta")
        for shape in (model.operands[index].shape for index in model.operations[0].inputs)
        if isinstance(shape, tuple) and shape
    )
    if model.operations[0].kind == "FULLY_CONNECTED":
        return tuple(torch.nn.functional.linear(image.reshape(-1, rest[0].shape[1]), *rest).shape)
    left, right, top, bottom, stride_w, stride_h, *more = numbers_of(model)
    padded = torch.nn.functional.pad(image.permute(0, 3, 1, 2), (left, right, top, bottom))
    if model.operations[0].kind == "CONV_2D":
        made = torch.nn.functional.conv2d(padded, rest[0].permute(0, 3, 1, 2), rest[1], (stride_h, stride_w))
    else:
        window_w, window_h, *_ = more
        made = torch.nn.functional.max_pool2d(padded, (window_h, window_w), (stride_h, stride_w))
    return tuple(made.permute(0, 2, 3, 1).shape)


@pytest.mark.parametrize("model", [conv(), pool(), fully_connected()], ids=lambda model: model.operations[0].kind)
def test_what_is_accepted_has_the_shape_that_pytorch_gives(model: Model) -> None:
    accepted = 0
    for _, words, other in with_changes(open_outputs(model), broken):
        validation = validate(other, FACTS)
        if not validation.faults:
            accepted += 1
            assert validation.shapes[other.operations[0].outputs[0]] == in_pytorch(other), words

    assert accepted >= 4


@pytest.mark.skipif("NNAPI_VECTORS" not in os.environ, reason="NNAPI_VECTORS does not name a folder with vectors")
def test_less_known_inputs_contradict_no_conformance_model() -> None:
    wrong = []
    for kind, model in representatives().items():
        for place, words, less in with_changes(model, opened):
            validation = validate(less, FACTS)
            faults = [fault for fault in validation.faults if fault.rule not in MUST_BE_KNOWN]
            fits = all(
                compatible(model.operands[index].shape, validation.shapes[index])
                for index in model.operations[0].outputs
            )
            if not fits or faults:
                wrong.append((kind, place, words, [fault.message for fault in faults]))

    assert wrong == []
