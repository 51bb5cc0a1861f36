"""Fixtures for tests that run packages."""

from pathlib import Path

import pytest

from nnapi_check.lowering.nnapi.host_runtime.errors import HostRuntimeError
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime, load_host_runtime
from tests.lowering.running_packages import Reopen, reopener


@pytest.fixture(scope="session")
def nnapi() -> HostRuntime:
    """NNAPI of level 4 in this process."""
    try:
        return load_host_runtime(level=4)
    except HostRuntimeError as error:
        pytest.skip(f"there is no host runtime: {error}")


@pytest.fixture
def reopen(tmp_path: Path) -> Reopen:
    """Saves a package and opens the file."""
    return reopener(tmp_path)
