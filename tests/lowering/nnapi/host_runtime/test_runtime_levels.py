"""Which feature level the host runtime plays, what it refuses there, and what its device says of it."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from nnapi_check.coverage_db.spec import ResultCode
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime, load_host_runtime
from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Computed, Operand
from tests.lowering.nnapi.host_runtime.client import CallError, Client
from tests.lowering.nnapi.host_runtime.model_runs import CODES, FLOATS, finish_and_free, hard_swish_model, sum_model
from tests.registry_numbers import NEXT_LEVEL


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


@pytest.mark.parametrize(("level", "wanted"), [(2, ResultCode.BAD_DATA), (3, ResultCode.NO_ERROR)])
def test_outputs_may_have_open_dimensions_from_level_3_on(
    runtime: HostRuntime, client: Client, level: int, wanted: ResultCode
) -> None:
    operands = (*sum_model().operands[:3], Operand(FLOATS, (UNSPECIFIED, 3), Computed()))
    with runtime.at_level(level):
        handle = client.build(replace(sum_model(), operands=operands), CODES)
        client.call("Model_finish", handle)
        compilation = client.compile(handle)
        execution = client.make("Execution_create", compilation)
        room = ctypes.create_string_buffer(24)
        found = client.library.ANeuralNetworksExecution_setOutput(execution, 0, None, room, ctypes.c_size_t(24))
        client.library.ANeuralNetworksExecution_free(execution)
        client.free(models=[handle], compilations=[compilation])

    assert found == wanted


def test_the_device_tells_the_level_as_nnapi_writes_it(runtime: HostRuntime, client: Client) -> None:
    device = client.make("_getDevice", 0)
    told = []
    for level in (3, 5, 6, 8):
        found = ctypes.c_int64()
        with runtime.at_level(level):
            client.call("Device_getFeatureLevel", device, ctypes.byref(found))
        told.append(found.value)

    assert told == [29, 31, 1_000_006, 1_000_008]
