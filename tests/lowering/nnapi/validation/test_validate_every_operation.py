"""For every operation a conformance model, broken in one way that the facts rule out.

Operations that came later than the conformance models are tried in those that cards' examples become.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS
from nnapi_check.lowering.nnapi.conformance.vector_rows import read_rows
from nnapi_check.lowering.nnapi.constants import element_count
from nnapi_check.lowering.nnapi.model import NOT_QUANTIZED, Immediate, Model, NoValue, Operand, QuantParams, UnknownRank
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.operands import NEEDS_SCALE
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.detection_models import align, bbox_transform
from tests.lowering.nnapi.example_models import LAST_WITH_EXAMPLES, example_models
from tests.lowering.nnapi.small_models import loop

VECTORS = os.environ.get("NNAPI_VECTORS")

pytestmark = pytest.mark.skipif(VECTORS is None, reason="NNAPI_VECTORS does not name a folder with vectors")

FACTS = load_operations()

CONTROL_FLOW = ("IF", "WHILE")


@lru_cache(maxsize=1)
def representatives() -> dict[str, Model]:
    """A conformance model for each kind of operation, which stands first in it; ours where it never does.

    The models of cards' examples are those of later operations.
    """
    found = {"AXIS_ALIGNED_BBOX_TRANSFORM": bbox_transform(), "LESS": loop().referenced[0], "ROI_ALIGN": align()}
    for path in sorted(Path(str(VECTORS)).glob("*.jsonl.gz")):
        for row in read_rows(path):
            kind = row.model.operations[0].kind
            is_shorter = kind not in found or len(row.model.operations) < len(found[kind].operations)
            if is_shorter and not any(example.expect_failure for example in row.examples):
                found[kind] = row.model
    for kind, facts in FACTS.items():
        if kind not in found and facts.since > LAST_WITH_EXAMPLES:
            found.update((kind, model) for model in islice(example_models(kind), 1))
    return found


def rules(model: Model) -> set[Rule]:
    return {fault.rule for fault in validate(model, FACTS).faults}


def with_operand(model: Model, index: int, operand: Operand) -> Model:
    return replace(model, operands=(*model.operands[:index], operand, *model.operands[index + 1 :]))


def of_type(operand: Operand, kind: OperandType) -> Operand:
    """The operand with another type, and what belongs to that type."""
    quant = QuantParams(operand.quant.scale or 0.5, 0) if kind in NEEDS_SCALE else NOT_QUANTIZED
    changed = replace(operand, type=kind, quant=quant, channels=None)
    if isinstance(operand.source, Immediate):
        size = ELEMENT_STRUCTS[kind].size * element_count(operand.shape)
        changed = replace(changed, source=Immediate(bytes(size)))
    return changed


def main_operands() -> Iterator[tuple[str, Model, int]]:
    for kind, model in representatives().items():
        facts, operation = FACTS[kind], model.operations[0]
        if facts.main_index is not None:
            places = operation.outputs if facts.main_kind == "output" else operation.inputs
            yield kind, model, places[facts.main_index]


def test_there_is_a_model_of_every_operation() -> None:
    missing = sorted(set(FACTS) - set(representatives()))

    assert missing == [], (
        f"emit {missing} in a way of a card and give it an example, or write representatives() a model"
    )


def test_no_operation_takes_a_main_type_that_is_not_documented() -> None:
    plain = [kind for kind in OperandType if kind.is_tensor and "CHANNEL" not in kind.name]

    unrefused = [
        (kind, element.name)
        for kind, model, index in main_operands()
        for element in plain
        if element not in {*dict(FACTS[kind].types), *dict(FACTS[kind].same_type_only)}
        and Rule.ELEMENT_TYPE not in rules(with_operand(model, index, of_type(model.operands[index], element)))
    ]

    assert unrefused == []


def test_no_operation_takes_a_rank_outside_the_documented_ones() -> None:
    unrefused = []
    for kind, model, index in main_operands():
        rank, operand = FACTS[kind].rank, model.operands[index]
        if rank is None or rank.max is None or isinstance(operand.shape, UnknownRank):
            continue
        high = replace(operand, shape=(1,) * (rank.max + 1 - len(operand.shape)) + operand.shape)
        if Rule.RANK not in rules(with_operand(model, index, high)):
            unrefused.append(kind)

    assert unrefused == []


def test_every_input_refuses_another_type_of_its_sort() -> None:
    """A scalar of another type, or a tensor of booleans where none belongs."""
    taken = []
    for kind, model in representatives().items():
        if kind in CONTROL_FLOW:
            continue
        for position, index in enumerate(model.operations[0].inputs):
            operand = model.operands[index]
            if operand.type.is_tensor:
                other = OperandType.TENSOR_BOOL8 if operand.type.name != "TENSOR_BOOL8" else OperandType.TENSOR_INT32
            else:
                other = OperandType.UINT32
            found = rules(with_operand(model, index, of_type(operand, other)))
            if not found & {Rule.INPUT_TYPE, Rule.ELEMENT_TYPE, Rule.OUTPUT_TYPE} and kind != "RANK":
                taken.append((kind, position))

    assert taken == []


def test_every_output_refuses_another_type() -> None:
    taken = []
    for kind, model in representatives().items():
        for position, index in enumerate(model.operations[0].outputs):
            operand = model.operands[index]
            other = of_type(operand, OperandType.TENSOR_QUANT16_SYMM)
            if operand.type is other.type:
                other = of_type(operand, OperandType.TENSOR_BOOL8)
            found = rules(with_operand(model, index, other))
            if not found & {Rule.OUTPUT_TYPE, Rule.ELEMENT_TYPE, Rule.CONTROL_FLOW}:
                taken.append((kind, position))

    assert taken == []


def test_every_operation_refuses_one_output_too_many() -> None:
    taken = []
    for kind, model in representatives().items():
        operation = model.operations[0]
        extra = len(model.operands)
        operands = (*model.operands, model.operands[operation.outputs[0]])
        more = replace(operation, outputs=(*operation.outputs, extra))
        found = rules(
            replace(model, operands=operands, operations=(more, *model.operations[1:]), outputs=(*model.outputs, extra))
        )
        if not found & {Rule.OUTPUT_COUNT, Rule.CONTROL_FLOW, Rule.VALUE, Rule.RANK}:
            taken.append(kind)

    assert taken == []


def test_every_operation_refuses_to_do_without_its_first_input() -> None:
    taken = []
    for kind, model in representatives().items():
        index = model.operations[0].inputs[0]
        operand = replace(model.operands[index], source=NoValue())
        inputs = tuple(other for other in model.inputs if other != index)
        if not rules(replace(with_operand(model, index, operand), inputs=inputs)):
            taken.append(kind)

    assert taken == []
