"""The lowest feature level of a model, before and after the runtime trims it, and what demands it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, Buffer, Model, ModelInput, Operand
from nnapi_check.lowering.nnapi.validation.faults import Demand, Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.small_models import (
    F16,
    F32,
    I32,
    Q8,
    Q8S,
    add,
    branch,
    computed,
    conditional,
    conv,
    fully_connected,
    given,
    ints,
    lstm,
    pool,
    quantized_conv,
    scalar,
    single,
    unary,
    weights,
    with_inputs,
)

FACTS = load_operations()


def with_more_inputs(model: Model, *operands: Operand) -> Model:
    return with_inputs(model, *(model.operands[index] for index in model.operations[0].inputs), *operands)


def levels(model: Model) -> tuple[int, int]:
    """The level as a driver sees it and as written, of a model without faults."""
    validation = validate(model, FACTS)
    assert validation.faults == ()
    return validation.level, validation.level_as_written


@pytest.mark.parametrize(
    ("model", "level"),
    [
        (add(), 1),
        (add(kind=F16), 3),
        (add(kind=I32), 4),
        (add(kind=Q8), 1),
        (add(kind=Q8S), 4),
        (add(UNKNOWN_RANK), 3),
        (conv(), 1),
        (unary("TANH"), 1),
        (unary("TANH", Q8, scale=1 / 128, zero_point=128), 3),
        (unary("HARD_SWISH"), 4),
        (lstm(), 1),
        (lstm(with_layer_norm=True), 3),
        (single("RESHAPE", [given(I32, (2, 3)), ints(6)], [computed(I32, (6,))]), 6),
        (single("REVERSE", [given(F32, (2, 3)), ints(1)], [computed(F32, (2, 3))]), 7),
        (unary("RSQRT", Q8, scale=0.25), 7),
        (unary("RSQRT"), 3),
        (conditional(), 4),
        (quantized_conv(), 1),
        (quantized_conv(output_scale=0.1), 3),
        (fully_connected(Q8), 1),
        (fully_connected(Q8, output_scale=0.1), 3),
    ],
)
def test_the_level_follows_from_operations_types_and_signatures(model: Model, level: int) -> None:
    assert levels(model) == (level, level)


def test_a_layout_flag_at_its_default_is_not_seen_by_a_driver() -> None:
    assert levels(with_more_inputs(pool(), scalar(False))) == (1, 3)


def test_a_layout_flag_that_is_used_demands_level_3() -> None:
    model = single(
        "MAX_POOL_2D",
        [given(F32, (1, 4, 7, 9)), *(scalar(n) for n in (1, 1, 0, 1, 2, 1, 3, 2, 0)), scalar(True)],
        [computed(F32, (1, 4, 7, 5))],
    )

    assert levels(model) == (3, 3)


def test_dilations_are_trimmed_with_the_layout_flag() -> None:
    assert levels(conv(extra=(scalar(False), scalar(1), scalar(1)))) == (1, 3)


def test_dilations_are_trimmed_together_or_not_at_all() -> None:
    model = conv(extra=(scalar(False), scalar(2), scalar(1)), output=computed(F32, (1, 4, 7, 5)))
    wide = conv(
        extra=(scalar(False), scalar(2), scalar(1)), window=(1, 0, 2, 1, 1, 2, 0), output=computed(F32, (1, 4, 8, 5))
    )

    assert levels(wide) == (3, 3)
    assert [fault.rule for fault in validate(model, FACTS).faults] == [Rule.OUTPUT_SHAPE]


def test_an_activation_is_not_mistaken_for_a_dilation_at_its_default() -> None:
    """Explicit padding with ten inputs ends as implicit padding with dilations would."""
    assert levels(conv(window=(1, 0, 2, 1, 1, 2, 1))) == (1, 1)


def test_a_default_in_a_buffer_is_seen_by_a_driver() -> None:
    flag = Operand(OperandType.BOOL, (), Buffer(0, 0, 1))

    assert levels(with_more_inputs(pool(), flag)) == (3, 3)


def test_a_default_given_at_execution_is_seen_by_a_driver() -> None:
    flag = Operand(OperandType.BOOL, (), ModelInput())

    assert levels(with_more_inputs(pool(), flag)) == (3, 3)


def test_an_axis_at_its_default_is_trimmed() -> None:
    inputs = [given(F32, (2, 3)), scalar(1.0), scalar(-1)]

    assert levels(single("SOFTMAX", inputs, [computed(F32, (2, 3))])) == (1, 3)


def test_a_rank_outside_the_first_ones_demands_level_3_with_the_axis_trimmed_too() -> None:
    inputs = [given(F32, (2, 3, 5)), scalar(1.0), scalar(-1)]

    assert levels(single("SOFTMAX", inputs, [computed(F32, (2, 3, 5))])) == (3, 3)


def test_the_rank_that_demands_a_level_is_the_inputs_where_the_outputs_is_open() -> None:
    model = single("SOFTMAX", [given(F32, (2, 3, 5)), scalar(1.0)], [computed(F32, UNKNOWN_RANK)])

    assert Demand(3, "SOFTMAX of rank 3") in validate(model, FACTS).demands


def test_an_unused_constant_is_not_seen_by_a_driver() -> None:
    model = add()
    model = replace(model, operands=(*model.operands, scalar(False)))

    assert levels(model) == (1, 3)


def test_an_unused_input_is_seen_by_a_driver() -> None:
    model = add()
    model = replace(model, operands=(*model.operands, given(F16, (2, 3))), inputs=(*model.inputs, 4))

    assert levels(model) == (3, 3)


def test_padding_around_a_zero_point_demands_level_3() -> None:
    pads = ints(0, 1, 2, 0, shape=(2, 2))

    def padded(zero_point: int) -> Model:
        outputs = [computed(Q8, (3, 5), 0.5, zero_point)]
        return single("PAD", [given(Q8, (2, 3), 0.5, zero_point), pads], outputs)

    assert levels(padded(0)) == (2, 2)
    assert levels(padded(9)) == (3, 3)


def test_concatenation_of_other_scales_demands_level_3() -> None:
    def joined(scale: float) -> Model:
        inputs = [given(Q8, (2, 3), 0.5), given(Q8, (2, 3), scale), scalar(0)]
        return single("CONCATENATION", inputs, [computed(Q8, (4, 3), 0.5)])

    assert levels(joined(0.5)) == (1, 1)
    assert levels(joined(0.25)) == (3, 3)


def test_an_operation_that_runs_models_needs_what_they_need() -> None:
    body = single("REVERSE", [given(F32, (2, 3)), ints(0)], [computed(F32, (2, 3))])

    validation = validate(conditional(then=body), FACTS)

    assert validation.level == 7
    assert validation.operations[0].level == 7
    assert Demand(7, "REVERSE") in validation.operations[0].demands


def test_what_demands_a_level_is_named() -> None:
    assert validate(add(), FACTS).demands == ()
    assert Demand(4, "ADD of TENSOR_INT32") in validate(add(kind=I32), FACTS).demands
    assert Demand(2, "SUB") in validate(single("SUB", [*add().operands[:3]], [add().operands[3]]), FACTS).demands
    assert Demand(3, "an operand of unknown rank") in validate(add(UNKNOWN_RANK), FACTS).demands
    with_flag = conv(extra=(scalar(False), scalar(2), scalar(1)), output=computed(F32, (1, 4, 8, 5)))
    assert Demand(3, "CONV_2D with dilation width") in validate(with_flag, FACTS).demands


def test_each_operation_has_its_own_level_and_demands() -> None:
    operands = (given(F32, (2, 3)), computed(F32, (2, 3)), computed(F32, (2, 3)))
    relu = replace(unary("RELU").operations[0], outputs=(1,))
    swish = replace(relu, kind="HARD_SWISH", inputs=(1,), outputs=(2,))
    model = replace(unary("RELU"), operands=operands, operations=(relu, swish), outputs=(2,))

    first, second = validate(model, FACTS).operations

    assert (first.kind, first.level, first.demands) == ("RELU", 1, ())
    assert (second.kind, second.level, second.demands) == ("HARD_SWISH", 4, (Demand(4, "HARD_SWISH"),))


def test_what_needs_more_than_the_level_asked_for_is_a_fault_that_names_it() -> None:
    (fault,) = validate(add(kind=I32), FACTS, level=3).faults

    assert (fault.rule, fault.operation) == (Rule.LEVEL, 0)
    assert fault.message == (
        "Operation 0 (ADD): found feature level 4, needed by ADD of TENSOR_INT32; wanted what feature level 3 knows."
    )
    assert validate(add(kind=I32), FACTS, level=4).is_valid


def test_a_level_is_asked_for_as_a_driver_sees_the_model() -> None:
    assert validate(with_more_inputs(pool(), scalar(False)), FACTS, level=1).is_valid


def test_an_unused_input_above_the_level_asked_for_is_a_fault() -> None:
    model = add()
    model = replace(model, operands=(*model.operands, given(F16, (2, 3))), inputs=(*model.inputs, 4))

    assert [fault.rule for fault in validate(model, FACTS, level=2).faults] == [Rule.LEVEL]


def test_a_referenced_model_above_the_level_asked_for_is_a_fault_of_its_own() -> None:
    model = conditional(then=single("REVERSE", [given(F32, (2, 3)), ints(0)], [computed(F32, (2, 3))]))

    faults = validate(model, FACTS, level=4).faults

    assert {(fault.rule, fault.model, fault.operation) for fault in faults} == {
        (Rule.LEVEL, None, 0),
        (Rule.LEVEL, 0, 0),
    }


def test_a_model_at_its_own_level_has_no_fault_of_level() -> None:
    for model in (add(kind=F16), conditional(), lstm(), fully_connected(Q8, output_scale=0.1), conditional(branch())):
        assert validate(model, FACTS, level=validate(model, FACTS).level).is_valid


def test_the_weights_of_a_constant_tensor_are_not_read() -> None:
    model = with_inputs(add((512, 512)), given(F32, (512, 512)), weights(F32, (512, 512)), scalar(0))

    assert levels(model) == (1, 1)
