"""What the runtime asks of NNAPI at the levels that have it: caches, devices, bursts, times, fences and memory."""

import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from nnapi_check.lowering.ndk.writing import write_program
from nnapi_check.lowering.nnapi.host_runtime.build import build_library
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
from nnapi_check.lowering.nnapi.host_runtime.server import HostServer
from tests.lowering.ndk.client import (
    BURST,
    CallError,
    RoleStruct,
    Session,
    Status,
    call,
    created,
    set_input,
    set_output,
)
from tests.lowering.ndk.programs import CODES, NHWC
from tests.lowering.ndk.test_runtime import FLOATS, passing

Floats = npt.NDArray[np.float32]
X = np.linspace(-3, 4, 24, dtype=np.float32).reshape(1, 2, 3, 4)
WANTED = np.maximum(X, 0)


@pytest.fixture(scope="module")
def server() -> Iterator[HostServer]:
    with HostServer() as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_program(passing(FLOATS, NHWC), (), CODES, tmp_path / "model.nnc")
    return tmp_path / "model.nnc"


@pytest.fixture
def sessions(server: HostServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, Session]]:
    """A session for each level that is asked for: NNAPI with that level's functions, in this process.

    The library of the highest level is the process's own, which plays the level that was asked of it last.
    """
    load_host_runtime()
    opened = _Sessions(server, monkeypatch)
    yield opened
    for session in opened.values():
        session.__exit__()


class _Sessions(dict[int, Session]):
    def __init__(self, server: HostServer, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._server, self._monkeypatch = server, monkeypatch

    def __missing__(self, level: int) -> Session:
        for name, value in self._server.environment(level).items():
            self._monkeypatch.setenv(name, value)
        self[level] = Session(build_library(level=level))
        return self[level]


def outputs() -> Floats:
    return np.full((1, 2, 3, 4), np.nan, np.float32)


@pytest.mark.parametrize("level", [3, 5, 8])
def test_a_compilation_is_kept_in_the_cache(
    level: int, sessions: dict[int, Session], file: Path, tmp_path: Path
) -> None:
    session, found = sessions[level], outputs()
    (tmp_path / "cache").mkdir()
    folder = str(tmp_path / "cache").encode()
    model = session.model(file)

    session.program(model, cache_directory=folder)
    kept = sorted(os.listdir(folder))
    again = session.program(model, cache_directory=folder)
    assert sorted(os.listdir(folder)) == kept
    session.program(model, cache_directory=folder, preference=0)

    assert len(kept) == 1
    assert len(os.listdir(folder)) == 2
    run = session.run(again)
    set_input(run, 0, X)
    set_output(run, 0, found)
    call("nnc_run_compute", run)
    np.testing.assert_array_equal(found, WANTED)


@pytest.mark.parametrize("level", [3, 4, 5])
def test_a_burst_on_a_chosen_device_is_measured(level: int, sessions: dict[int, Session], file: Path) -> None:
    session, found = sessions[level], outputs()
    run = session.run(session.program(session.model(file), refuses_reference=True), BURST)
    set_input(run, 0, X)
    set_output(run, 0, found)
    call("nnc_run_measure", run, True)

    hardware, driver = ctypes.c_uint64(), ctypes.c_uint64()
    for _ in range(3):
        found[:] = np.nan
        call("nnc_run_compute", run)
        np.testing.assert_array_equal(found, WANTED)
    call("nnc_run_duration", run, ctypes.byref(hardware), ctypes.byref(driver))

    assert 0 < hardware.value <= driver.value


def test_what_level_this_process_plays_is_nothing_to_the_library_of_another(
    sessions: dict[int, Session], file: Path
) -> None:
    load_host_runtime(level=1)
    try:
        test_a_burst_on_a_chosen_device_is_measured(5, sessions, file)
    finally:
        load_host_runtime()


def test_a_deadline_that_cannot_be_kept_is_told(sessions: dict[int, Session], file: Path) -> None:
    session = sessions[4]
    run = session.run(session.program(session.model(file), refuses_reference=True, run_timeout_ns=1, priority=90))
    set_input(run, 0, X)
    set_output(run, 0, outputs())

    with pytest.raises(CallError, match="the deadline was missed") as caught:
        call("nnc_run_compute", run)

    assert caught.value.status is Status.DEADLINE_MISSED


@pytest.mark.parametrize("level", [4, 5])
def test_a_run_waits_for_a_fence(level: int, sessions: dict[int, Session], file: Path) -> None:
    session, found, fence = sessions[level], outputs(), ctypes.c_int(-7)
    run = session.run(session.program(session.model(file)))
    set_input(run, 0, X)
    set_output(run, 0, found)
    signal = os.eventfd(0)

    call("nnc_run_start_after", run, (ctypes.c_int * 1)(signal), 1, ctypes.byref(fence))
    assert np.isnan(found).all()
    threading.Timer(0.05, os.eventfd_write, (signal, 1)).start()
    call("nnc_run_wait", run)

    np.testing.assert_array_equal(found, WANTED)
    for descriptor in (signal, fence.value):
        if descriptor >= 0:
            os.close(descriptor)


def test_memory_of_a_device_passes_between_programs(sessions: dict[int, Session], file: Path) -> None:
    session, found = sessions[4], outputs()
    model = session.model(file)
    first, second = session.program(model), session.program(model)
    roles = (RoleStruct * 2)(RoleStruct(first, True, 0), RoleStruct(second, False, 0))
    memory = session.memory(lambda: created("nnc_memory_create", session.nnapi, roles, 2))
    filling, reading = session.run(first), session.run(second)
    whole = (ctypes.c_size_t(0), ctypes.c_size_t(0))
    set_input(filling, 0, X)
    call("nnc_run_set_output_memory", filling, 0, memory, *whole)
    call("nnc_run_set_input_memory", reading, 0, memory, *whole)
    set_output(reading, 0, found)

    call("nnc_run_compute", filling)
    call("nnc_run_compute", reading)

    np.testing.assert_array_equal(found, WANTED)


@pytest.mark.parametrize("level", [1, 4, 5])
def test_memory_of_the_app_is_read_where_it_lies(level: int, sessions: dict[int, Session], file: Path) -> None:
    session, found = sessions[level], outputs()
    descriptor = os.memfd_create("tensors")
    os.ftruncate(descriptor, 8192)
    os.pwrite(descriptor, np.ascontiguousarray(X.transpose(NHWC)).tobytes(), 4096 + 32)
    run = session.run(session.program(session.model(file)))
    memory = session.memory(
        lambda: created("nnc_memory_of_fd", session.nnapi, descriptor, ctypes.c_size_t(4096), ctypes.c_size_t(4096))
    )
    call("nnc_run_set_input_memory", run, 0, memory, ctypes.c_size_t(32), ctypes.c_size_t(96))
    set_output(run, 0, found)

    call("nnc_run_compute", run)

    np.testing.assert_array_equal(found, WANTED)
    with pytest.raises(CallError, match="not in the memory there"):
        call("nnc_run_set_input_memory", run, 0, memory, ctypes.c_size_t(4001), ctypes.c_size_t(96))
    os.close(descriptor)
