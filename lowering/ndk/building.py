"""Building the runtime for this machine, once for each source and compiler, so that model files run here too."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.database.cache import cache_directory
from nnapi_check.coverage_db.writing.output import OutputError
from nnapi_check.coverage_db.writing.output_folder import FolderKind, replaced_folder
from nnapi_check.lowering.ndk.project import RUNTIME, runtime_files
from nnapi_check.lowering.nnapi.host_runtime.build import Compiler, find_compiler
from nnapi_check.lowering.nnapi.host_runtime.errors import BuildError, PlatformError

COMPILERS = ("c++", "g++", "clang++")

OPTIONS = ("-std=c++17", "-O1", "-fPIC", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-Wall", "-Wextra")

TIMEOUT_SECONDS = 300

_BUILT = FolderKind("build of the runtime", "nnapi-check-build.json")


@dataclass(frozen=True, slots=True)
class BuiltRuntime:
    """The runtime, built: a library with the functions of ``nnc.h``, and a program that runs a model file."""

    library: Path
    program: Path


def build_runtime(directory: Path | None = None) -> BuiltRuntime:
    """The runtime, after building it unless that was done before.

    ``directory`` is the cache directory, the user's own where it is None. Raises ``HostRuntimeError``.
    """
    if not sys.platform.startswith("linux"):
        raise PlatformError(f"the runtime is built on Linux, this is {sys.platform}")
    compiler = find_compiler("CXX", COMPILERS)
    folder = (cache_directory() if directory is None else directory) / f"ndk-runtime-{_digest(compiler)}"
    built = BuiltRuntime(folder / "libnnc.so", folder / "run_model")
    if built.library.is_file() and built.program.is_file():
        return built
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replaced_folder(folder, _BUILT) as draft:
            _build(compiler, draft)
    except (OSError, OutputError) as error:
        raise BuildError(f"the runtime cannot be written to {folder}: {error}") from error
    return built


def _build(compiler: Compiler, folder: Path) -> None:
    library, program = folder / "libnnc.so", folder / "run_model"
    includes = (f"-I{RUNTIME / 'include'}", "-isystem", str(RUNTIME / "third_party" / "flatbuffers" / "include"))
    sources = map(str, sorted((RUNTIME / "src").glob("*.cpp")))
    _compile(compiler, ("-shared", *includes, *sources, "-ldl", "-o", str(library)))
    beside = ("-Wl,-rpath,$ORIGIN", f"-L{folder}", "-lnnc")
    # Programs may use what the library leaves out.
    _compile(compiler, (*includes, "-fexceptions", str(RUNTIME / "main.cpp"), *beside, "-o", str(program)))


def _compile(compiler: Compiler, words: Sequence[str]) -> None:
    command = (*compiler.command, *OPTIONS, *words)
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{shlex.join(compiler.command)} failed to build the runtime: {error}") from error
    if answer.returncode != 0:
        raise BuildError(f"{shlex.join(compiler.command)} failed to build the runtime:\n{answer.stderr}")


def _digest(compiler: Compiler) -> str:
    digest = hashlib.sha256()
    for word in (*compiler.command, compiler.version, *OPTIONS):
        digest.update(word.encode() + b"\0")
    for path in runtime_files():
        digest.update(str(path).encode() + b"\0" + (RUNTIME / path).read_bytes() + b"\0")
    return digest.hexdigest()[:20]
