"""The host runtime through the C functions: levels, refusals, lifetimes, threads, and every kind of model."""

from __future__ import annotations

import ctypes
import gc
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coverage_db.facts import load_operations
from coverage_db.spec import OperandType, ResultCode
from lowering.nnapi.host_runtime.errors import NoCompilerError
from lowering.nnapi.host_runtime.runtime import HostRuntime, load_host_runtime
from lowering.nnapi.interpreter.execute import prepare
from lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, ExecutionError
from lowering.nnapi.model import (
    UNSPECIFIED,
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
)
from lowering.nnapi.vector_rows import VectorExample, read_rows
from tests.lowering.nnapi.host_runtime.client import CallError, Client
from tests.registry_numbers import NEXT_LEVEL

CODES = {name: facts.code for name, facts in load_operations().items()}
FLOATS = OperandType.TENSOR_FLOAT32
ROW = np.arange(6, dtype=np.float32).reshape(2, 3)
ROWS_PER_FILE = 6


@pytest.fixture(scope="module")
def runtime() -> HostRuntime:
    try:
        return load_host_runtime()
    except NoCompilerError as error:
        pytest.skip(str(error))


@pytest.fixture
def client(runtime: HostRuntime) -> Iterator[Client]:
    gc.collect()
    before = (runtime.live_objects, runtime.kept_models)
    runtime.forget_faults()
    yield Client(ctypes.CDLL("libneuralnetworks.so"))
    assert (runtime.live_objects, runtime.kept_models) == before


def sum_model(fuse_code: int = 0) -> Model:
    """x + c, with three operands of which the constant lies in the caller's memory."""
    return Model(
        operands=(
            Operand(FLOATS, (2, 3), ModelInput()),
            Operand(FLOATS, (2, 3), Immediate(struct.pack("<6f", *range(10, 16)))),
            Operand(OperandType.INT32, (), Immediate(struct.pack("<i", fuse_code))),
            Operand(FLOATS, (2, 3), Computed()),
        ),
        operations=(Operation("ADD", (0, 1, 2), (3,)),),
        inputs=(0,),
        outputs=(3,),
    )


def hard_swish_model() -> Model:
    operands = (Operand(FLOATS, (2, 3), ModelInput()), Operand(FLOATS, (2, 3), Computed()))
    return Model(operands, (Operation("HARD_SWISH", (0,), (1,)),), (0,), (1,))


def finish_and_free(client: Client, model: Model) -> None:
    handle = client.build(model, CODES)
    try:
        client.call("Model_finish", handle)
    finally:
        client.free(models=[handle])


def run_once(client: Client, model: Model, inputs: list[Array | None], sizes: list[int]) -> list[Array]:
    handle = client.build(model, CODES)
    compilation = None
    try:
        client.call("Model_finish", handle)
        compilation = client.compile(handle)
        return client.execute(compilation, model, inputs, sizes)
    finally:
        client.free(models=[handle], compilations=[] if compilation is None else [compilation])


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


def test_refuses_what_the_level_lacks_with_the_validator_s_words(runtime: HostRuntime, client: Client) -> None:
    with runtime.at_level(3), pytest.raises(CallError) as caught:
        finish_and_free(client, hard_swish_model())

    assert (caught.value.function, caught.value.code) == ("Model_finish", ResultCode.BAD_DATA)
    assert [fault.code for fault in runtime.last_faults] == [ResultCode.BAD_DATA]
    assert "HARD_SWISH" in runtime.last_faults[0].words
    assert "4" in runtime.last_faults[0].words


def test_accepts_it_from_the_level_that_has_it(runtime: HostRuntime, client: Client) -> None:
    with runtime.at_level(4):
        finish_and_free(client, hard_swish_model())

    assert runtime.last_faults == ()


def test_the_level_is_the_one_at_creation(runtime: HostRuntime, client: Client) -> None:
    with runtime.at_level(4):
        handle = client.build(hard_swish_model(), CODES)
    with runtime.at_level(1):
        client.call("Model_finish", handle)

    client.free(models=[handle])


def test_threads_may_play_different_levels(runtime: HostRuntime, client: Client) -> None:
    def is_accepted(level: int) -> bool:
        with runtime.at_level(level):
            try:
                finish_and_free(Client(client.library), hard_swish_model())
            except CallError:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(is_accepted, [1, 8, 3, 4] * 10))

    assert answers == [False, True, False, True] * 10


def test_refuses_a_level_that_does_not_exist(runtime: HostRuntime) -> None:
    with pytest.raises(ValueError, match=f"level is {NEXT_LEVEL}"), runtime.at_level(NEXT_LEVEL):
        pass
    with pytest.raises(ValueError, match="level is 0"):
        load_host_runtime(0)


def test_the_device_tells_the_level_as_nnapi_writes_it(runtime: HostRuntime, client: Client) -> None:
    device = client.make("_getDevice", 0)
    told = []
    for level in (1, 5, 6, 8):
        found = ctypes.c_int64()
        with runtime.at_level(level):
            client.call("Device_getFeatureLevel", device, ctypes.byref(found))
        told.append(found.value)

    assert told == [27, 31, 1_000_006, 1_000_008]


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
        patch.setattr("lowering.nnapi.host_runtime.engine.read_model", fail)
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
from lowering.nnapi.host_runtime.runtime import load_host_runtime
library = load_host_runtime(5)
found = ctypes.CDLL("libneuralnetworks.so")
print(found.ANeuralNetworks_getRuntimeFeatureLevel())
print(load_host_runtime(2).level, library.level)
model = ctypes.c_void_p()
print(found.ANeuralNetworksModel_create(ctypes.byref(model)))
"""

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n") == ["absent", "31", "2 2", "0", ""]


def vector_files() -> list[Path]:
    folder = os.environ.get("NNAPI_VECTORS")
    return sorted(Path(folder).glob("*.jsonl.gz")) if folder else []


def read_inputs(model: Model, example: VectorExample) -> list[Array | None]:
    arrays: list[Array | None] = []
    for index, given in zip(model.inputs, example.inputs, strict=True):
        operand = model.operands[index]
        if not isinstance(given, Immediate):
            arrays.append(None)
            continue
        flat: Array = np.frombuffer(given.data, NUMPY_TYPES[operand.type])
        assert isinstance(operand.shape, tuple)
        arrays.append(flat.reshape([size for size in operand.shape if isinstance(size, int)]))
    return arrays


def is_special(model: Model) -> bool:
    """Whether the model has what few models have: references, channels, or omitted inputs."""
    return bool(model.referenced) or any(
        operand.channels is not None or isinstance(operand.source, NoValue) for operand in model.operands
    )


def is_concrete(model: Model) -> bool:
    """Whether all inputs have known sizes and all that is read has bytes."""
    shapes = [model.operands[index].shape for index in model.inputs]
    constants = [operand.source.data for operand in model.operands if isinstance(operand.source, Immediate)]
    return all(isinstance(shape, tuple) and UNSPECIFIED not in shape for shape in shapes) and all(constants)


@pytest.mark.skipif(not vector_files(), reason="NNAPI_VECTORS names no folder of vectors")
@pytest.mark.parametrize("path", vector_files(), ids=lambda path: path.name.split(".")[0])
def test_conformance_models_compute_the_same_through_the_c_functions(client: Client, path: Path) -> None:
    compared = {True: 0, False: 0}
    for row in read_rows(path):
        example = row.examples[0]
        special = is_special(row.model)
        if compared[special] == ROWS_PER_FILE or example.expect_failure or not is_concrete(row.model):
            continue
        inputs = read_inputs(row.model, example)
        try:
            wanted = prepare(row.model).run(inputs).outputs
        except ExecutionError:
            continue
        sizes = [output.array.nbytes for output in wanted]
        found = run_once(client, row.model, inputs, sizes)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs.array)
        compared[special] += 1
    assert any(compared.values())
