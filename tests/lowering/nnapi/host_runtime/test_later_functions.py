"""What came after NNAPI's first level: each function from its level on, loops with an end, caches, devices."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from nnapi_check.coverage_db.platform_facts import load_functions
from nnapi_check.coverage_db.spec import ResultCode
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.nnapi.model import Model
from tests.lowering.nnapi.host_runtime.client import CallError, Client
from tests.lowering.nnapi.host_runtime.model_runs import (
    CODES,
    ROW,
    counting_model,
    hard_swish_model,
    run_once,
    sum_model,
)

LATER = [facts for facts in load_functions() if facts.since > 1]
NUMBERS = {"ANeuralNetworks_getRuntimeFeatureLevel"} | {
    f"ANeuralNetworks_get{name}LoopTimeout" for name in ("Default", "Maximum")
}
FREEING = {facts.name for facts in LATER if facts.name.endswith("_free")}
CODED = [facts for facts in LATER if facts.name not in NUMBERS | FREEING]
SECOND = 1_000_000_000


def test_every_function_refuses_below_its_level(runtime: HostRuntime, client: Client) -> None:
    nothing = [ctypes.c_void_p()] * 8
    for facts in CODED:
        function = getattr(client.library, facts.name)
        with runtime.at_level(facts.since - 1):
            below = function(*nothing)
            words = runtime.last_faults[0].words
        with runtime.at_level(facts.since):
            found = function(*nothing)

        assert (below, found) == (ResultCode.BAD_STATE, ResultCode.UNEXPECTED_NULL), facts.name
        assert words == f"the function came with feature level {facts.since}, and this is level {facts.since - 1}"


@pytest.mark.parametrize(("name", "value"), [("DefaultLoopTimeout", 2 * SECOND), ("MaximumLoopTimeout", 15 * SECOND)])
def test_timeouts_of_loops_are_android_s(runtime: HostRuntime, client: Client, name: str, value: int) -> None:
    function = getattr(client.library, f"ANeuralNetworks_get{name}")
    function.restype = ctypes.c_uint64
    with runtime.at_level(3):
        below = function()

    assert (below, function()) == (0, value)


def test_devices_are_an_accelerator_and_the_reference(client: Client) -> None:
    count = ctypes.c_uint32()
    client.call("_getDeviceCount", ctypes.byref(count))
    found = []
    for index in range(count.value):
        device = client.make("_getDevice", index)
        name, kind = ctypes.c_char_p(), ctypes.c_int32()
        client.call("Device_getName", device, ctypes.byref(name))
        client.call("Device_getType", device, ctypes.byref(kind))
        found.append((name.value, kind.value))

    assert found == [(b"nnapi-check-interpreter", 4), (b"nnapi-reference", 2)]


def test_a_phone_without_a_driver_has_the_reference_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNAPI_CHECK_ACCELERATOR", "0")
    count, name = ctypes.c_uint32(), ctypes.c_char_p()
    client.call("_getDeviceCount", ctypes.byref(count))
    client.call("Device_getName", client.make("_getDevice", 0), ctypes.byref(name))

    assert (count.value, name.value) == (1, b"nnapi-reference")


def test_a_loop_runs_to_its_end(client: Client) -> None:
    (found,) = run_once(client, counting_model(7), [np.zeros(1, np.float32)], [4])

    assert found.tolist() == [7]


def test_a_loop_without_an_end_misses_its_deadline(runtime: HostRuntime, client: Client) -> None:
    model = counting_model(1e30)
    handle = client.build(model, CODES)
    client.call("Model_finish", handle)
    compilation = client.compile(handle)
    execution = client.make("Execution_create", compilation)
    client.call("Execution_setLoopTimeout", execution, ctypes.c_uint64(SECOND // 50))

    with pytest.raises(CallError) as caught:
        client.run(execution, model, [np.zeros(1, np.float32)], [4])

    client.library.ANeuralNetworksExecution_free(execution)
    client.free(models=[handle], compilations=[compilation])
    assert caught.value.code is ResultCode.MISSED_DEADLINE_TRANSIENT
    assert "more than 0.02 seconds" in runtime.last_faults[0].words


def run_cached(client: Client, model: Model, folder: Path, token: bytes) -> list[float]:
    handle = client.build(model, CODES)
    client.call("Model_finish", handle)
    compilation = client.make("Compilation_create", handle)
    try:
        client.call("Compilation_setCaching", compilation, str(folder).encode(), token)
        client.call("Compilation_finish", compilation)
        (found,) = client.execute(compilation, model, [ROW], [24])
    finally:
        client.free(models=[handle], compilations=[compilation])
    return [float(number) for number in found.ravel()]


def test_a_token_stands_for_the_model_that_was_cached_by_it(client: Client, tmp_path: Path) -> None:
    first = run_cached(client, sum_model(), tmp_path, b"a" * 32)
    other = run_cached(client, sum_model(fuse_code=3), tmp_path, b"b" * 32)
    mistaken = run_cached(client, sum_model(fuse_code=3), tmp_path, b"a" * 32)

    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{'61' * 32}.nnapi-check", f"{'62' * 32}.nnapi-check"]
    assert first == mistaken == [10, 12, 14, 16, 18, 20]
    assert other == [6] * 6


def test_a_cache_of_a_higher_level_is_not_used_at_a_lower_one(
    runtime: HostRuntime, client: Client, tmp_path: Path
) -> None:
    run_cached(client, hard_swish_model(), tmp_path, b"a" * 32)

    with runtime.at_level(3):
        found = run_cached(client, sum_model(), tmp_path, b"a" * 32)

    assert found == [10, 12, 14, 16, 18, 20]


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_cache_is_written_anew(client: Client, tmp_path: Path, damage: str) -> None:
    wanted = run_cached(client, sum_model(), tmp_path, b"a" * 32)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    place = len(whole) - 5
    damaged = {"cut": whole[:-9], "changed": whole[:place] + b"\xff" + whole[place + 1 :], "empty": b""}[damage]
    path.write_bytes(damaged)

    assert run_cached(client, sum_model(fuse_code=3), tmp_path, b"a" * 32) == [6] * 6
    assert path.read_bytes() != damaged
    assert wanted != [6] * 6


def test_an_event_tells_what_became_of_an_execution(client: Client) -> None:
    model = sum_model()
    handle = client.build(model, CODES)
    client.call("Model_finish", handle)
    compilation = client.compile(handle)
    execution = client.make("Execution_create", compilation)
    data, room = ROW.copy(), np.zeros_like(ROW)
    size = ctypes.c_size_t(24)
    client.call("Execution_setInput", execution, 0, None, ctypes.c_void_p(data.ctypes.data), size)
    client.call("Execution_setOutput", execution, 0, None, ctypes.c_void_p(room.ctypes.data), size)

    event = client.make("Execution_startComputeWithDependencies", execution, None, 0, ctypes.c_uint64(0))
    client.call("Event_wait", event)

    client.library.ANeuralNetworksEvent_free(event)
    client.library.ANeuralNetworksExecution_free(execution)
    client.free(models=[handle], compilations=[compilation])
    np.testing.assert_array_equal(room.ravel(), ROW.ravel() + np.arange(10, 16))
