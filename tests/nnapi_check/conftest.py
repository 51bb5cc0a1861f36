"""Small model files, and ways to call the command line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nnapi_check.cli import main
from tests.nnapi_check.models import traced

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Calls the command line in this process."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="nnapi-check")

    return call


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A traced model that is ready at every level."""
    return traced(tmp_path_factory.mktemp("models") / "tiny.pt")


def in_process(*arguments: object, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Calls the command line, or runs some code, in a process of its own."""
    command = [sys.executable, "-c", code] if code is not None else [sys.executable, "-m", "nnapi_check"]
    return subprocess.run(
        [*command, *(str(argument) for argument in arguments)], capture_output=True, text=True, check=False, timeout=300
    )
