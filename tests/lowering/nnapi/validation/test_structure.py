"""A model whose structure is broken in one place breaks exactly one rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.lowering.nnapi.model import (
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operation,
    Reference,
)
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.small_models import (
    F32,
    add,
    branch,
    computed,
    conditional,
    given,
    scalar,
    single,
    unary,
    weights,
    with_operand,
)

FACTS: dict[str, OperationFacts] = load_operations()


def rules(model: Model) -> set[Rule]:
    return {fault.rule for fault in validate(model, FACTS).faults}


def chain() -> Model:
    """RELU, then TANH: operands 0, 1 and 2."""
    operands = (given(F32, (2, 3)), computed(F32, (2, 3)), computed(F32, (2, 3)))
    return Model(operands, (Operation("RELU", (0,), (1,)), Operation("TANH", (1,), (2,))), (0,), (2,))


def test_accepts_a_chain_of_operations() -> None:
    assert rules(chain()) == set()


def test_rejects_a_model_without_operations() -> None:
    model = Model((given(F32, (2, 3)),), (), (0,), ())

    assert rules(model) == {Rule.EMPTY_MODEL}


def test_rejects_an_operand_index_beyond_the_operands() -> None:
    model = replace(chain(), operations=(Operation("RELU", (0,), (1,)), Operation("TANH", (7,), (2,))))

    assert rules(model) == {Rule.OPERAND_INDEX}


def test_rejects_a_negative_operand_index() -> None:
    model = replace(chain(), operations=(Operation("RELU", (-3,), (1,)), Operation("TANH", (1,), (2,))))

    assert rules(model) == {Rule.OPERAND_INDEX}


def test_rejects_operations_out_of_execution_order() -> None:
    model = chain()

    faults = validate(replace(model, operations=model.operations[::-1]), FACTS).faults

    assert [(fault.rule, fault.operation, fault.operand) for fault in faults] == [(Rule.EXECUTION_ORDER, 0, 1)]


def test_rejects_an_operation_that_reads_what_it_writes() -> None:
    model = replace(chain(), operations=(Operation("RELU", (1,), (1,)), Operation("TANH", (1,), (2,))))

    assert rules(model) == {Rule.EXECUTION_ORDER}


def test_rejects_an_operand_written_twice() -> None:
    model = chain()
    again = Operation("ABS", (0,), (2,))

    assert rules(replace(model, operations=(*model.operations, again))) == {Rule.WRITTEN_ONCE}


def test_rejects_an_operand_that_nothing_writes() -> None:
    model = replace(chain(), operations=(Operation("TANH", (1,), (2,)),))

    assert rules(model) == {Rule.NEVER_WRITTEN}


def test_rejects_an_output_that_is_a_constant() -> None:
    model = with_operand(chain(), 1, weights(F32, (2, 3)))

    assert rules(model) == {Rule.OUTPUT_SOURCE}


def test_rejects_an_output_without_value() -> None:
    model = with_operand(chain(), 1, replace(computed(F32, (2, 3)), source=NoValue()))

    assert Rule.OUTPUT_SOURCE in rules(model)


@pytest.mark.parametrize("inputs", [(0, 0), (9,), (0, 1)])
def test_rejects_a_list_of_inputs_that_is_not_that_of_the_given_operands(inputs: tuple[int, ...]) -> None:
    assert rules(replace(chain(), inputs=inputs)) == {Rule.MODEL_INPUTS}


def test_rejects_a_given_operand_that_is_not_listed_as_input() -> None:
    assert rules(replace(chain(), inputs=())) == {Rule.MODEL_INPUTS}


@pytest.mark.parametrize("outputs", [(2, 2), (9,), (2, 0)])
def test_rejects_a_list_of_outputs_that_is_not_of_computed_operands(outputs: tuple[int, ...]) -> None:
    assert rules(replace(chain(), outputs=outputs)) == {Rule.MODEL_OUTPUTS}


def test_accepts_an_intermediate_result_as_output() -> None:
    assert rules(replace(chain(), outputs=(1, 2))) == set()


def test_rejects_a_tensor_that_refers_to_a_model() -> None:
    model = with_operand(add(), 1, replace(given(F32, (2, 3)), source=Reference(0)))

    assert Rule.OPERAND_SOURCE in rules(replace(model, inputs=(0,)))


def test_rejects_a_model_operand_that_is_not_a_reference() -> None:
    model = conditional()
    operand = replace(model.operands[1], source=Immediate(b""))

    assert Rule.OPERAND_SOURCE in rules(with_operand(model, 1, operand))


def test_rejects_a_reference_to_a_model_that_is_not_there() -> None:
    model = conditional()
    operand = replace(model.operands[2], source=Reference(2))

    assert rules(with_operand(model, 2, operand)) == {Rule.MODEL_REFERENCE}


def test_rejects_a_referenced_model_with_referenced_models() -> None:
    model = conditional(then=replace(branch(), referenced=(branch(),)))

    assert rules(model) == {Rule.MODEL_REFERENCE}


def test_rejects_a_cycle_of_references() -> None:
    nested = replace(conditional(), referenced=())
    model = conditional(then=nested)

    faults = validate(model, FACTS).faults

    assert {fault.rule for fault in faults} == {Rule.REFERENCE_CYCLE, Rule.CONTROL_FLOW}
    assert {fault.model for fault in faults if fault.rule is Rule.REFERENCE_CYCLE} == {0}


def test_names_the_referenced_model_in_which_a_fault_lies() -> None:
    model = conditional(otherwise=unary("TANH", shape=(2, 3), scale=0.5))

    faults = validate(model, FACTS).faults

    assert {fault.model for fault in faults if fault.rule is Rule.SCALE} == {1}
    assert any(fault.message.startswith("Referenced model 1, operand 1") for fault in faults)


def test_an_unknown_operation_is_a_fault_and_not_an_error() -> None:
    model = replace(chain(), operations=(Operation("RELU", (0,), (1,)), Operation("WHIRL", (1,), (2,))))

    assert rules(model) == {Rule.UNKNOWN_OPERATION}


def test_all_faults_are_listed_at_once() -> None:
    operands = (given(F32, (2, 3)), computed(F32, (2, 4)), computed(F32, (2, 3), 0.5), computed(F32, (1,)))
    operations = (Operation("RELU", (0,), (1,)), Operation("TANH", (1,), (2,)))
    model = Model(operands, operations, (0, 0), (2,))

    assert rules(model) == {Rule.MODEL_INPUTS, Rule.OUTPUT_SHAPE, Rule.SCALE, Rule.NEVER_WRITTEN}


def test_deferred_rules_are_left_to_the_caller() -> None:
    model = replace(chain(), inputs=(0, 0))

    assert validate(model, FACTS, deferred={Rule.MODEL_INPUTS}).is_valid


def test_a_message_is_a_sentence_that_names_place_found_and_wanted() -> None:
    model = single("ADD", [given(F32, (2, 3)), given(F32, (4, 5)), scalar(0)], [computed(F32, (2, 3))])

    (fault,) = validate(model, FACTS).faults

    assert fault.message == (
        "Operation 0 (ADD), input 1, operand 1: found shape [4, 5]; wanted one that broadcasts with [2, 3]."
    )
    assert str(fault) == fault.message


def test_a_constant_in_a_buffer_is_checked_against_the_buffer_if_it_is_given() -> None:
    operand = replace(weights(F32, (2, 3)), source=Buffer(0, 8, 24))
    model = single("ADD", [given(F32, (2, 3)), operand, scalar(0)], [computed(F32, (2, 3))])

    assert validate(model, FACTS).is_valid
    assert validate(model, FACTS, buffers=(memoryview(bytes(32)),)).is_valid
    short = validate(model, FACTS, buffers=(bytes(31),)).faults
    assert [fault.rule for fault in short] == [Rule.CONSTANT_SIZE]


def test_values_in_a_buffer_count_once_it_is_given() -> None:
    order = replace(weights(OperandType.TENSOR_INT32, (2,)), source=Buffer(0, 0, 8))
    model = single("TRANSPOSE", [given(F32, (2, 3)), order], [computed(F32, (2, 3))])
    swapped = b"\x01\0\0\0\0\0\0\0"

    assert validate(model, FACTS).is_valid
    assert [fault.rule for fault in validate(model, FACTS, buffers=(swapped,)).faults] == [Rule.OUTPUT_SHAPE]


def test_sources_are_named_in_the_message() -> None:
    model = with_operand(chain(), 0, replace(given(F32, (2, 3)), source=Computed()))

    faults = validate(model, FACTS).faults

    assert {fault.rule for fault in faults} == {Rule.MODEL_INPUTS, Rule.NEVER_WRITTEN}
    assert any(ModelInput.__name__ in fault.wanted for fault in faults)
