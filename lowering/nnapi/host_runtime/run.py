"""Runs a program that uses NNAPI on this machine, at a feature level:

    python -m nnapi_check.lowering.nnapi.host_runtime.run --level 1 -- ./app arguments

The program finds a ``libneuralnetworks.so`` that exports the functions of that level and no other, and that asks the
interpreter in this process. Why a call was refused is told on the standard error, as a phone does in its log.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from nnapi_check.coverage_db.levels import feature_levels
from nnapi_check.lowering.nnapi.host_runtime.build import HIGHEST_LEVEL
from nnapi_check.lowering.nnapi.host_runtime.errors import HostRuntimeError
from nnapi_check.lowering.nnapi.host_runtime.server import HostServer


def main(words: Sequence[str] | None = None) -> int:
    """Run the program that the words name; gives its exit code, 128 and more where a signal ended it."""
    parser = argparse.ArgumentParser(prog="run", description="Run a program that uses NNAPI, at a feature level.")
    parser.add_argument("--level", type=int, default=HIGHEST_LEVEL, choices=feature_levels(), help="the feature level")
    parser.add_argument("--no-accelerator", action="store_true", help="only nnapi-reference is there")
    parser.add_argument("command", nargs="+", help="the program and its arguments, after --")
    given = parser.parse_args(words)
    try:
        with HostServer() as server:
            added = server.environment(given.level, has_accelerator=not given.no_accelerator)
            code = subprocess.run(given.command, env={**os.environ, **added}, check=False).returncode
    except HostRuntimeError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"{given.command[0]} cannot be run: {error.strerror}")
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
