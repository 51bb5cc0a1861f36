"""The host runtime through the C functions: runs, refusals, lifetimes, threads."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from nnapi_check.coverage_db.spec import ResultCode
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Buffer, Computed, Model, ModelInput, Operand, Operation
from tests.lowering.nnapi.host_runtime.client import CallError, Client
from tests.lowering.nnapi.host_runtime.model_runs import CODES, FLOATS, ROW, finish_and_free, run_once, sum_model


def test_a_model_runs_and_is_counted(runtime: HostRuntime, client: Client) -> None:
    before = runtime.executions

    (found,) = run_once(client, sum_model(), [ROW], [24])

    np.testing.assert_array_equal(found, ROW + np.arange(10, 16, dtype=np.float32).reshape(2, 3))
    assert runtime.executions == before + 1


def test_large_values_are_read_where_they_lie(client: Client) -> None:
    weights = np.arange(60, dtype=np.float32)
    model = replace(
        sum_model(),
        operands=(
            Operand(FLOATS, (60,), ModelInput()),
            Operand(FLOATS, (60,), Buffer(0, 0, 240)),
            sum_model().operands[2],
            Operand(FLOATS, (60,), Computed()),
        ),
    )
    handle = client.build(model, CODES, [weights.tobytes()])
    client.call("Model_finish", handle)
    compilation = client.compile(handle)
    lent = client.kept[0]
    assert isinstance(lent, ctypes.Array)
    ctypes.memmove(lent, (weights * 2).tobytes(), 240)

    (found,) = client.execute(compilation, model, [np.zeros(60, np.float32)], [240])

    client.free(models=[handle], compilations=[compilation])
    np.testing.assert_array_equal(found, weights * 2)


def test_small_values_are_copied(client: Client) -> None:
    model = sum_model()
    handle = client.build(model, CODES)
    for buffer in client.kept:
        assert isinstance(buffer, ctypes.Array)
        ctypes.memset(buffer, 0xFF, ctypes.sizeof(buffer))
    client.call("Model_finish", handle)
    compilation = client.compile(handle)

    (found,) = client.execute(compilation, model, [np.zeros((2, 3), np.float32)], [24])

    client.free(models=[handle], compilations=[compilation])
    np.testing.assert_array_equal(found.ravel(), np.arange(10, 16))


def test_names_the_function_and_the_fault_of_a_wrong_call(runtime: HostRuntime, client: Client) -> None:
    with pytest.raises(CallError):
        client.call("Model_finish", None)

    (fault,) = runtime.last_faults
    assert fault.function == "ANeuralNetworksModel_finish"
    assert (fault.code, fault.words) == (ResultCode.UNEXPECTED_NULL, "the model is null")


def test_an_unknown_operation_is_bad_data(runtime: HostRuntime, client: Client) -> None:
    handle = client.build(sum_model(), {"ADD": 999})

    with pytest.raises(CallError) as caught:
        client.call("Model_finish", handle)

    client.free(models=[handle])

    assert caught.value.code is ResultCode.BAD_DATA
    assert "999" in runtime.last_faults[0].words


def test_operations_may_be_added_in_any_order(client: Client) -> None:
    operands = (*sum_model().operands, Operand(FLOATS, (2, 3), Computed()))
    operations = (Operation("ADD", (3, 1, 2), (4,)), Operation("ADD", (0, 1, 2), (3,)))

    (found,) = run_once(client, Model(operands, operations, (0,), (4,)), [np.zeros((2, 3), np.float32)], [24])

    np.testing.assert_array_equal(found.ravel(), 2 * np.arange(10, 16))


def test_operations_that_wait_for_themselves_are_bad_data(client: Client) -> None:
    operands = (*sum_model().operands, Operand(FLOATS, (2, 3), Computed()))
    operations = (Operation("ADD", (0, 4, 2), (3,)), Operation("ADD", (0, 3, 2), (4,)))

    with pytest.raises(CallError) as caught:
        finish_and_free(client, Model(operands, operations, (0,), (4,)))

    assert caught.value.code is ResultCode.BAD_DATA


def test_an_output_without_room_tells_its_shape(runtime: HostRuntime, client: Client) -> None:
    operands = (
        Operand(FLOATS, (UNSPECIFIED, 3), ModelInput()),
        *sum_model().operands[1:3],
        Operand(FLOATS, (UNSPECIFIED, 3), Computed()),
    )

    with pytest.raises(CallError) as caught:
        run_once(client, replace(sum_model(), operands=operands), [ROW], [20])

    assert caught.value.code is ResultCode.OUTPUT_INSUFFICIENT_SIZE
    assert "24 bytes of shape (2, 3)" in runtime.last_faults[0].words


def test_an_execution_that_cannot_be_computed_fails_with_the_interpreter_s_words(
    runtime: HostRuntime, client: Client
) -> None:
    operands = (Operand(FLOATS, (UNSPECIFIED, UNSPECIFIED), ModelInput()), *sum_model().operands[1:])

    with pytest.raises(CallError) as caught:
        run_once(client, replace(sum_model(), operands=operands), [np.zeros((4, 5), np.float32)], [24])

    assert caught.value.code is ResultCode.OP_FAILED
    assert "ADD" in runtime.last_faults[0].words


def test_many_threads_run_many_models_at_once(client: Client) -> None:
    model = sum_model()
    handles = [client.build(model, CODES) for _ in range(3)]
    for handle in handles:
        client.call("Model_finish", handle)
    compilations = [client.compile(handle) for handle in handles]

    def run_many(number: int) -> bool:
        own = Client(client.library)
        for step in range(30):
            array = np.full((2, 3), number * 100 + step, np.float32)
            (found,) = own.execute(compilations[number % 3], model, [array], [24])
            if not np.array_equal(found.ravel(), array.ravel() + np.arange(10, 16)):
                return False
        return True

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(run_many, range(6)))

    client.free(models=handles, compilations=compilations)
    assert answers == [True] * 6


def test_a_caller_may_hold_the_interpreter_lock(runtime: HostRuntime, client: Client) -> None:
    holding = Client(ctypes.PyDLL("libneuralnetworks.so"))

    (found,) = run_once(holding, sum_model(), [ROW], [24])

    assert found.shape == (2, 3)
    assert client.library._handle == holding.library._handle


def test_a_defect_in_a_callback_fails_the_call_and_not_the_process(
    runtime: HostRuntime, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(str(report.exc_value)))
    handle = client.build(sum_model(), CODES)

    def fail(*_: object) -> None:
        raise LookupError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("nnapi_check.lowering.nnapi.host_runtime.service.read_model", fail)
        with pytest.raises(CallError) as caught:
            client.call("Model_finish", handle)

    client.free(models=[handle])
    assert caught.value.code is ResultCode.OP_FAILED
    assert reported == ["a defect"]


@pytest.mark.usefixtures("runtime")
def test_the_library_is_found_by_name_and_outlives_python() -> None:
    code = """
import ctypes
try:
    ctypes.CDLL("libneuralnetworks.so")
except OSError:
    print("absent")
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
library = load_host_runtime(5)
found = ctypes.CDLL("libneuralnetworks.so")
print(found.ANeuralNetworks_getRuntimeFeatureLevel())
print(load_host_runtime(2).level, library.level, library.library_level)
model = ctypes.c_void_p()
print(found.ANeuralNetworksModel_create(ctypes.byref(model)))
"""

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n") == ["absent", "31", "2 2 8", "0", ""]
