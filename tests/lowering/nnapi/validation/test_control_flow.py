"""IF and WHILE with models that take and give something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, UNSPECIFIED, Model
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.small_models import (
    BOOL8,
    F32,
    I32,
    Q8,
    add,
    branch,
    computed,
    conditional,
    given,
    ints,
    loop,
    reference,
    scalar,
    single,
    unary,
    weights,
    with_input,
    with_operand,
    with_output,
)

FACTS = load_operations()


def rules(model: Model) -> set[Rule]:
    return {fault.rule for fault in validate(model, FACTS).faults}


def two_outputs() -> Model:
    """A body that gives its state twice."""
    inputs = [given(F32, (2,)), scalar(0), scalar(2)]
    return single("SPLIT", inputs, [computed(F32, (1,)), computed(F32, (1,))])


@pytest.mark.parametrize("model", [conditional(), loop()])
def test_accepts_control_flow_over_equal_operands(model: Model) -> None:
    assert rules(model) == set()


@pytest.mark.parametrize("shape", [UNKNOWN_RANK, (UNSPECIFIED, 3)])
def test_accepts_branches_that_leave_dimensions_open(shape: tuple[int, ...]) -> None:
    assert rules(conditional(then=unary("RELU", shape=shape))) == set()


MISFITS = [
    conditional(then=branch((2, 4))),
    conditional(then=branch((6,))),
    conditional(otherwise=unary("ABS", I32)),
    conditional(then=add()),
    with_input(conditional(), 0, given(BOOL8, (2,))),
    with_input(conditional(), 0, given(BOOL8, UNKNOWN_RANK)),
    with_output(conditional(), 0, computed(F32, (3, 2))),
    loop(condition=unary("ABS", shape=(1,))),
    loop(condition=single("LESS", [given(F32, (2,)), weights(F32, (2,))], [computed(BOOL8, (2,))])),
    loop(body=unary("ABS", shape=(2,))),
    loop(body=single("CAST", [given(F32, (1,))], [computed(I32, (1,))])),
    loop(body=add((1,))),
    loop(body=two_outputs()),
    single("WHILE", [reference(0), reference(1), given(F32, (1,))], [computed(F32, (1,))] * 2, loop().referenced),
]


@pytest.mark.parametrize("model", MISFITS)
def test_rejects_models_that_do_not_fit(model: Model) -> None:
    assert rules(model) == {Rule.CONTROL_FLOW}


def test_rejects_a_condition_that_is_no_bool() -> None:
    assert rules(with_input(conditional(), 0, given(F32, (1,)))) == {Rule.INPUT_TYPE}


def test_rejects_a_branch_that_is_no_model() -> None:
    assert rules(with_input(conditional(), 1, given(F32, (1,)))) == {Rule.INPUT_TYPE}


def test_rejects_a_loop_without_state() -> None:
    model = loop()
    bare = single("WHILE", [reference(0), reference(1)], [computed(F32, (1,))], model.referenced)

    assert rules(bare) == {Rule.INPUT_COUNT}


def test_rejects_a_branch_of_other_quantization() -> None:
    inputs = [given(BOOL8, (1,)), reference(0), reference(1), given(Q8, (2, 3), 0.5)]
    equal, other = unary("RELU", Q8, scale=0.5), add(kind=Q8)
    other = replace(unary("RELU", Q8, scale=0.5), operands=(given(Q8, (2, 3), 0.25), computed(Q8, (2, 3), 0.25)))

    fitting = single("IF", inputs, [computed(Q8, (2, 3), 0.5)], (equal, equal))
    misfit = single("IF", inputs, [computed(Q8, (2, 3), 0.5)], (equal, other))

    assert rules(fitting) == set()
    assert rules(misfit) == {Rule.CONTROL_FLOW}


def test_a_loop_may_keep_state_that_it_does_not_give() -> None:
    less = single("LESS", [given(F32, (1,)), given(F32, (1,))], [computed(BOOL8, (1,))])
    split = single("SPLIT", [given(F32, (1,)), scalar(0), scalar(1)], [computed(F32, (1,))])
    body = replace(
        split,
        operands=(given(F32, (1,)), given(F32, (1,)), computed(F32, (1,)), computed(F32, (1,))),
        operations=(
            replace(split.operations[0], kind="RELU", inputs=(0,), outputs=(2,)),
            replace(split.operations[0], kind="TANH", inputs=(1,), outputs=(3,)),
        ),
        inputs=(0, 1),
        outputs=(2, 3),
    )
    operands = [reference(0), reference(1), given(F32, (1,)), given(F32, (1,))]

    assert rules(single("WHILE", operands, [computed(F32, (1,))], (less, body))) == set()
    assert rules(single("WHILE", operands, [computed(F32, (1,))] * 2, (less, body))) == set()


def test_faults_inside_a_branch_are_found() -> None:
    broken = with_output(branch(), 0, computed(F32, (2, 4)))

    faults = validate(conditional(then=broken), FACTS).faults

    assert {(fault.rule, fault.model) for fault in faults} == {
        (Rule.OUTPUT_SHAPE, 0),
        (Rule.CONTROL_FLOW, None),
    }


def test_shapes_that_became_known_are_held_against_those_of_a_branch() -> None:
    model = conditional()
    operands = (*model.operands, computed(F32, UNKNOWN_RANK))
    relu = replace(model.operations[0], kind="RELU", inputs=(3,), outputs=(5,))
    run = replace(model.operations[0], inputs=(0, 1, 2, 5))
    fitting = replace(model, operands=operands, operations=(relu, run))
    misfit = with_operand(fitting, 3, given(F32, (4, 4)))

    assert rules(fitting) == set()
    assert rules(misfit) == {Rule.CONTROL_FLOW}


def test_branches_may_take_nothing() -> None:
    constant = single("FILL", [ints(2, 3), scalar(1.5)], [computed(F32, (2, 3))])
    inputs = [given(BOOL8, (1,)), reference(0), reference(1)]
    model = single("IF", inputs, [computed(F32, (2, 3))], (constant, constant))

    assert [fault.message for fault in validate(model, FACTS).faults] == []
