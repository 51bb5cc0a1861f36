"""Models run operation by operation: what is kept, what is freed, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.execute import execute, prepare
from nnapi_check.lowering.nnapi.interpreter.kernels import KERNELS, ExecutionError
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    Shape,
)
from tests.costs import peak_bytes_in

FLOATS = OperandType.TENSOR_FLOAT32
NO_ACTIVATION = Operand(OperandType.INT32, (), Immediate(bytes(4)))


def chain(length: int, shape: Shape, constant: Operand) -> Model:
    """A model that adds ``constant`` to its input ``length`` times. Operands: input, constant, scalar, results."""
    results = tuple(Operand(FLOATS, shape, Computed()) for _ in range(length))
    operations = tuple(Operation("ADD", (0 if step == 0 else 2 + step, 1, 2), (3 + step,)) for step in range(length))
    return Model(
        (Operand(FLOATS, shape, ModelInput()), constant, NO_ACTIVATION, *results),
        operations,
        inputs=(0,),
        outputs=(2 + length,),
    )


def immediate(*values: float) -> Operand:
    return Operand(FLOATS, (len(values),), Immediate(np.array(values, "<f4").tobytes()))


def floats(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, np.float32)


def test_operations_run_in_order_and_feed_each_other() -> None:
    execution = execute(chain(3, (2,), immediate(1, 10)), [floats(0, 5)])

    assert execution.outputs[0].array.tolist() == [3, 35]
    assert execution.outputs[0].type is FLOATS


def test_operations_read_what_stands_instead_and_what_was_computed_is_kept() -> None:
    prepared = prepare(chain(3, (2,), immediate(1, 10)))

    execution = prepared.run([floats(0, 5)], keep=(3, 4), instead={3: floats(100, 200)})

    assert execution.kept[3].array.tolist() == [1, 15]
    assert execution.kept[4].array.tolist() == [101, 210]
    assert execution.outputs[0].array.tolist() == [102, 220]


def test_only_the_operands_that_are_asked_for_are_kept() -> None:
    execution = execute(chain(3, (2,), immediate(1, 10)), [floats(0, 5)], keep=(0, 3))

    assert {index: kept.array.tolist() for index, kept in execution.kept.items()} == {0: [0, 5], 3: [1, 15]}


def test_a_constant_is_read_from_its_place_in_a_numbered_buffer() -> None:
    model = chain(1, (2,), Operand(FLOATS, (2,), Buffer(index=1, offset=4, length=8)))
    data = floats(99, 1, 2)

    results = [execute(model, [floats(0, 0)], [b"", kind]).outputs[0].array for kind in (data, data.tobytes())]

    assert [result.tolist() for result in results] == [[1, 2], [1, 2]]


def test_a_buffer_that_ends_before_the_constant_is_refused() -> None:
    model = chain(1, (2,), Operand(FLOATS, (2,), Buffer(index=0, offset=4, length=8)))

    with pytest.raises(ExecutionError, match="operand 1 lies outside"):
        execute(model, [floats(0, 0)], [floats(1, 2)])


def test_a_constant_with_too_few_bytes_is_refused() -> None:
    model = chain(1, (2,), Operand(FLOATS, (2,), Immediate(bytes(4))))

    with pytest.raises(ExecutionError, match="operand 1 has 4 bytes, wanted 8"):
        prepare(model)


def test_a_prepared_model_runs_again_with_another_shape() -> None:
    prepared = prepare(chain(2, (UNSPECIFIED,), immediate(1)))

    shapes = [prepared.run([np.zeros(size, np.float32)]).outputs[0].array.shape for size in (3, 5)]

    assert shapes == [(3,), (5,)]


def test_a_result_that_contradicts_the_declared_shape_is_refused() -> None:
    model = chain(1, (UNSPECIFIED,), immediate(1))
    wrong = replace(model, operands=(*model.operands[:3], Operand(FLOATS, (4,), Computed())))

    with pytest.raises(ExecutionError, match=r"operation 0 ADD: output 0 has shape \(3,\), wanted \(4\)"):
        execute(wrong, [floats(1, 2, 3)])


def test_a_result_that_contradicts_the_declared_type_is_refused() -> None:
    model = chain(1, (1,), immediate(1))
    wrong = replace(
        model,
        operands=(*model.operands[:3], Operand(OperandType.TENSOR_INT32, (1,), Computed())),
        operations=(Operation("MAXIMUM", (0, 1), (3,)),),
    )

    with pytest.raises(ExecutionError, match="elements of type float32, wanted int32"):
        execute(wrong, [floats(1)])


def test_an_error_of_numpy_names_the_operation() -> None:
    model = chain(2, UNKNOWN_RANK, immediate(1, 2))

    with pytest.raises(ExecutionError, match="operation 0 ADD: ValueError"):
        execute(model, [floats(1, 2, 3)])


def test_inputs_of_another_number_shape_or_type_are_refused() -> None:
    model = chain(1, (2,), immediate(1, 2))

    with pytest.raises(ExecutionError, match="0 inputs are given, wanted 1"):
        execute(model, [])
    with pytest.raises(ExecutionError, match="input 0 has shape"):
        execute(model, [floats(1)])
    with pytest.raises(ExecutionError, match="input 0 has elements of type float64"):
        execute(model, [np.zeros(2)])


def test_an_omitted_input_that_the_operation_needs_is_an_error() -> None:
    model = chain(1, (2,), Operand(FLOATS, (2,), NoValue()))

    with pytest.raises(ExecutionError, match="operation 0 ADD: input 1 is missing"):
        execute(model, [floats(1, 2)])


def test_every_operation_has_a_kernel() -> None:
    operations = set(load_operations())
    missing = sorted(operations - set(KERNELS))

    assert missing == [], f"write a kernel of {missing} in lowering/nnapi/interpreter"
    assert set(KERNELS) <= operations


def test_an_unknown_operation_is_an_error_that_names_it() -> None:
    model = replace(chain(1, (1,), immediate(1)), operations=(Operation("TELEPORT", (0, 1, 2), (3,)),))

    with pytest.raises(ExecutionError, match="TELEPORT: the interpreter has no kernel"):
        execute(model, [floats(1)])


def test_temporaries_are_freed_when_nothing_needs_them() -> None:
    size = 1 << 20
    prepared = prepare(chain(30, (size,), immediate(1)))
    given = np.zeros(size, np.float32)

    peak = peak_bytes_in(lambda: prepared.run([given]))

    # One operation's input and output, and one array of room: not the 30 results.
    assert peak < 3.5 * given.nbytes


def test_outputs_are_the_callers_own_even_where_the_operation_changes_nothing() -> None:
    model = replace(
        chain(1, (2,), immediate(1, 2)), operations=(Operation("CAST", (0,), (3,)), Operation("CAST", (3,), (3,)))
    )
    given = floats(1, 2)

    result = execute(model, [given]).outputs[0].array

    assert not np.shares_memory(result, given)
    assert result.flags.writeable


def test_a_relaxed_model_may_be_computed_with_numbers_of_float16() -> None:
    model = replace(chain(2, (3,), immediate(1, 60000, 0.0001)), relaxed=True)
    given = floats(2048, 0, 1)

    assert prepare(model).run([given]).outputs[0].array.tolist() == [2050, 120000, floats(1.0002).item()]
    # In float16 2049 is 2048, twice 60,000 is infinite, and 0.0001 is too small beside 1.
    assert prepare(model).run([given], in_half=True).outputs[0].array.tolist() == [2048, np.inf, 1]


def test_a_model_that_is_not_relaxed_is_never_computed_so() -> None:
    model = chain(2, (1,), immediate(1))

    assert prepare(model).run([floats(2048)], in_half=True).outputs[0].array.tolist() == [2050]
