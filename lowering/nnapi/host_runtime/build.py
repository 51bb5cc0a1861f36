"""Building the C library of a feature level with the system's compiler, once for each source and compiler."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.database.cache import cache_directory
from nnapi_check.coverage_db.levels import feature_levels
from nnapi_check.coverage_db.platform_facts import load_functions
from nnapi_check.coverage_db.writing.output import OutputError, replaced
from nnapi_check.lowering.nnapi.host_runtime.errors import BuildError, NoCompilerError, PlatformError

LIBRARY = "libneuralnetworks.so"

SOURCE_DIRECTORY = Path(__file__).parent

COMPILERS = ("cc", "gcc", "clang")

WARNINGS = ("-Wall", "-Wextra")

OPTIONS = ("-std=c11", "-O1", "-fPIC", "-pthread", "-fvisibility=hidden")

LINK_OPTIONS = ("-shared", f"-Wl,-soname,{LIBRARY}", "-Wl,-z,relro,-z,now", "-Wl,-Bsymbolic")
"""A process may hold libraries of several levels, each of which calls its own functions."""

TIMEOUT_SECONDS = 120

HIGHEST_LEVEL = feature_levels()[-1]

HOST_FUNCTIONS = "nnapi_host_*"
"""What the library exports beside NNAPI's functions, at every level: Python attaches itself by them."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler: the words that call it, and what it says of its version."""

    command: tuple[str, ...]
    version: str


def find_compiler(variable: str = "CC", names: Sequence[str] = COMPILERS) -> Compiler:
    """The compiler that an environment variable names, else the first of ``names`` on the path.

    Raises ``NoCompilerError`` where there is none, or where it cannot tell its version.
    """
    asked = shlex.split(os.environ.get(variable, ""))
    candidates = [asked] if asked else [[name] for name in names]
    for candidate in candidates:
        found = shutil.which(candidate[0])
        if found is None:
            continue
        answer = _run((found, *candidate[1:], "--version"))
        if answer.returncode == 0:
            return Compiler((found, *candidate[1:]), answer.stdout)
    tried = ", ".join(shlex.join(candidate) for candidate in candidates)
    language = "C++" if variable == "CXX" else "C"
    raise NoCompilerError(f"no {language} compiler was found, tried {tried}; the variable {variable} names another")


def sources(directory: Path = SOURCE_DIRECTORY) -> tuple[Path, ...]:
    """The files that the library is made of: headers and C files, by name."""
    return tuple(sorted((*directory.glob("*.h"), *directory.glob("*.c"))))


def definitions(level: int = HIGHEST_LEVEL) -> tuple[str, ...]:
    """Options that tell the source which level it plays at first, and the level that brought each function."""
    since = [f"-DSINCE_{facts.name}={facts.since}" for facts in load_functions()]
    return (f"-DHOST_LEVEL={level}", *since)


def version_script(level: int) -> str:
    """What the linker exports: NNAPI's functions of this level, in the node that Android puts them in, and ours."""
    names = "".join(f"    {facts.name};\n" for facts in load_functions() if facts.since <= level)
    return (
        f"LIBNEURALNETWORKS {{\n  global:\n{names}  local:\n    *;\n}};\n"
        f"NNAPI_CHECK {{\n  global:\n    {HOST_FUNCTIONS};\n}};\n"
    )


def library_path(compiler: Compiler, directory: Path, level: int = HIGHEST_LEVEL) -> Path:
    """Where the library of a level for this source and compiler lies below ``directory``, built or not."""
    digest = hashlib.sha256()
    for part in (*compiler.command, compiler.version, *_options(level), version_script(level)):
        digest.update(part.encode() + b"\0")
    for path in sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return directory / f"host-runtime-{digest.hexdigest()[:20]}" / LIBRARY


def check_platform() -> None:
    """Raise ``PlatformError`` where the host runtime cannot be."""
    if not sys.platform.startswith("linux"):
        raise PlatformError(f"the host runtime needs Linux, this is {sys.platform}")


def build_library(directory: Path | None = None, *, level: int = HIGHEST_LEVEL, again: bool = False) -> Path:
    """The library's path, after building it unless that was done before.

    It exports what the library of an Android of feature level ``level`` does, so that a program which looks up a later
    function fails as on a phone. ``directory`` is the cache directory, the user's own where it is None. Runs at the
    same time do not harm each other: a library appears whole. With ``again``, it is built although it is there.
    """
    check_platform()
    compiler = find_compiler()
    path = library_path(compiler, cache_directory() if directory is None else directory, level)
    if path.is_file() and not again:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as made:
            _compile(compiler, made, level)
    except (OSError, OutputError) as error:
        raise BuildError(f"the host runtime cannot be written to {path.parent}: {error}") from error
    return path


def _options(level: int) -> tuple[str, ...]:
    return (*OPTIONS, *WARNINGS, *definitions(level), *LINK_OPTIONS)


def _compile(compiler: Compiler, target: Path, level: int) -> None:
    files = [str(path) for path in sources() if path.suffix == ".c"]
    with tempfile.NamedTemporaryFile("w", suffix=".map") as script:
        script.write(version_script(level))
        script.flush()
        exports = f"-Wl,--version-script={script.name}"
        answer = _run((*compiler.command, *_options(level), exports, "-o", str(target), *files))
    if answer.returncode != 0 or not target.is_file():
        raise BuildError(f"{shlex.join(compiler.command)} failed to build the host runtime:\n{answer.stderr}")


def _run(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr=str(error))
