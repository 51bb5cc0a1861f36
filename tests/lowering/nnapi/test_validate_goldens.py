"""What the validator says word for word, and what it concludes where dimensions or values are left open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from coverage_db.facts import load_operations
from lowering.nnapi.faults import Rule
from lowering.nnapi.model import UNKNOWN_RANK, UNSPECIFIED, Immediate, Model, ModelInput, Operand
from lowering.nnapi.shapes import compatible
from lowering.nnapi.text import write_shape
from lowering.nnapi.validate import validate
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
from tests.lowering.nnapi.small_models import channelwise_conv, conditional, conv, fully_connected, loop, lstm, pool
from tests.lowering.nnapi.test_shapes import INFERRED, MISFITS, open_outputs
from tests.lowering.nnapi.test_validate_control_flow import MISFITS as CONTROL_FLOW_MISFITS
from tests.lowering.nnapi.test_validate_every_operation import representatives

FACTS = load_operations()

MUST_BE_KNOWN = {Rule.MISSING_VALUE, Rule.CONTROL_FLOW}
"""What breaks where an operation must know more beforehand: a value, or that a condition is one truth value."""

WHOLE: dict[str, Model] = {
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
        yield "leaves its rank open", replace(operand, shape=UNKNOWN_RANK)


def with_less_known(model: Model) -> Iterator[tuple[str, Model]]:
    """The model with each input of its first operation opened in each way."""
    for position, index in enumerate(model.operations[0].inputs):
        for words, operand in opened(model.operands[index]):
            operands = (*model.operands[:index], operand, *model.operands[index + 1 :])
            is_new = isinstance(operand.source, ModelInput) and index not in model.inputs
            inputs = (*model.inputs, index) if is_new else model.inputs
            yield f"input {position} {words}", replace(model, operands=operands, inputs=inputs)


def written_faults(model: Model, level: int | None = None) -> Iterator[str]:
    validation = validate(model, FACTS, level=level)
    yield from (f"  {fault.message}" for fault in validation.faults)
    yield f"  level {validation.level}, as written {validation.level_as_written}"
    yield from (f"  {demand.level}: {demand.what}" for demand in validation.demands)


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
        for words, less in with_less_known(open_outputs(model)):
            validation = validate(less, FACTS)
            shapes = [write_shape(validation.shapes[index]) for index in less.operations[0].outputs]
            faults = "".join(f" | {fault.message}" for fault in validation.faults)
            lines.append(f"  {words}: {' '.join(shapes)}{faults}")

    golden("nnapi_open_shapes.txt", "\n".join(lines) + "\n")


@pytest.mark.skipif("NNAPI_VECTORS" not in os.environ, reason="NNAPI_VECTORS does not name a folder with vectors")
def test_less_known_inputs_contradict_no_conformance_model() -> None:
    wrong = []
    for kind, model in representatives().items():
        for words, less in with_less_known(model):
            validation = validate(less, FACTS)
            faults = [fault for fault in validation.faults if fault.rule not in MUST_BE_KNOWN]
            fits = all(
                compatible(model.operands[index].shape, validation.shapes[index])
                for index in model.operations[0].outputs
            )
            if not fits or faults:
                wrong.append((kind, words, [fault.message for fault in faults]))

    assert wrong == []
