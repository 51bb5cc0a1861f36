"""IF and WHILE with models of their own."""

from __future__ import annotations

import numpy as np
import pytest

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter import control_flow
from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.model import Computed, Immediate, Model, ModelInput, Operand, Operation, Reference
from tests.lowering.nnapi.interpreter.operation_outputs import F4, I4, compute_all
from tests.lowering.nnapi.interpreter.single_operation import tensor

B8 = OperandType.TENSOR_BOOL8


def constant(value: float) -> Operand:
    return Operand(F4, (1,), Immediate(np.asarray([value], np.float32).tobytes()))


def no_activation() -> Operand:
    return Operand(OperandType.INT32, (), Immediate(np.asarray(0, np.int32).tobytes()))


def variable() -> Operand:
    return Operand(F4, (1,), ModelInput())


def result(kind: OperandType = F4) -> Operand:
    return Operand(kind, (1,), Computed())


def one_operation(kind: str, operand: float) -> Model:
    """A model that computes ``x kind operand``."""
    operands = (variable(), constant(operand), no_activation(), result())
    return Model(operands, (Operation(kind, (0, 1, 2), (3,)),), inputs=(0,), outputs=(3,))


def counter_below(limit: float) -> Model:
    """A condition of three inputs: counter, sum and step."""
    operands = (variable(), variable(), variable(), constant(limit), result(B8))
    return Model(operands, (Operation("LESS", (0, 3), (4,)),), inputs=(0, 1, 2), outputs=(4,))


def count_and_add() -> Model:
    """A body that adds 1 to the counter, and step times counter to the sum; it yields counter and sum."""
    operands = (*[variable()] * 3, constant(1.0), no_activation(), result(), result(), result())
    operations = (
        Operation("ADD", (0, 3, 4), (5,)),
        Operation("MUL", (0, 2, 4), (6,)),
        Operation("ADD", (1, 6, 4), (7,)),
    )
    return Model(operands, operations, inputs=(0, 1, 2), outputs=(5, 7))


@pytest.mark.parametrize(("condition", "wanted"), [(True, 7.0), (False, 10.0)])
def test_if_runs_one_of_two_models(condition: bool, wanted: float) -> None:
    (found,) = compute_all(
        "IF",
        tensor(np.asarray([condition])),
        Reference(1),
        Reference(0),
        tensor(np.asarray([5.0], np.float32)),
        outputs=[F4],
        referenced=(one_operation("MUL", 2.0), one_operation("ADD", 2.0)),
    )

    assert found.tolist() == [wanted]


@pytest.mark.parametrize("outputs", [1, 2])
def test_while_feeds_outputs_back_and_keeps_the_rest(outputs: int) -> None:
    start = [np.asarray([value], np.float32) for value in (0.0, 100.0, 10.0)]

    found = compute_all(
        "WHILE",
        Reference(0),
        Reference(1),
        *(tensor(value) for value in start),
        outputs=[F4] * outputs,
        referenced=(counter_below(4.0), count_and_add()),
    )

    # 100 + 10 * (0 + 1 + 2 + 3), or the counter alone where the sum is state.
    assert [value.item() for value in found] == [4.0, 160.0][:outputs]


def test_while_may_run_no_iteration() -> None:
    start = [np.asarray([value], np.float32) for value in (9.0, 100.0, 10.0)]

    (found,) = compute_all(
        "WHILE",
        Reference(0),
        Reference(1),
        *(tensor(value) for value in start),
        outputs=[F4],
        referenced=(counter_below(4.0), count_and_add()),
    )

    assert found.item() == 9.0


@pytest.mark.parametrize(
    ("name", "limit", "message"), [("LOOP_ITERATIONS", 30, "30 iterations"), ("LOOP_SECONDS", 0.0, "0.0 seconds")]
)
def test_an_endless_loop_fails(monkeypatch: pytest.MonkeyPatch, name: str, limit: float, message: str) -> None:
    monkeypatch.setattr(control_flow, name, limit)
    start = [np.asarray([value], np.float32) for value in (0.0, 0.0, 0.0)]

    with pytest.raises(ExecutionError, match=f"more than {message}"):
        compute_all(
            "WHILE",
            Reference(0),
            Reference(1),
            *(tensor(value) for value in start),
            outputs=[F4],
            referenced=(counter_below(1e9), count_and_add()),
        )


def test_a_condition_is_one_truth_value() -> None:
    with pytest.raises(ExecutionError, match="wanted one truth value"):
        compute_all(
            "IF",
            tensor(np.asarray([True, False])),
            Reference(0),
            Reference(0),
            tensor(np.asarray([5], np.int32)),
            outputs=[I4],
            referenced=(one_operation("ADD", 2.0),),
        )
