"""The host runtime for tests that call it through NNAPI's C functions."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator

import pytest

from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime, load_host_runtime
from tests.lowering.nnapi.host_runtime.client import Client


@pytest.fixture(scope="module")
def runtime() -> HostRuntime:
    """The host runtime, at the highest level."""
    try:
        return load_host_runtime()
    except NoCompilerError as error:
        pytest.skip(str(error))


@pytest.fixture
def client(runtime: HostRuntime) -> Iterator[Client]:
    """The library's C functions; afterwards nothing is left of what they made."""
    gc.collect()
    before = (runtime.live_objects, runtime.kept_models)
    runtime.forget_faults()
    yield Client(ctypes.CDLL("libneuralnetworks.so"))
    assert (runtime.live_objects, runtime.kept_models) == before
