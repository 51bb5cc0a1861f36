"""Builds for tests, kept where the runtime's own are, so that only the first run waits for the compiler."""

import fcntl
import hashlib
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from nnapi_check.coverage_db.database.cache import cache_directory
from nnapi_check.lowering.ndk.building import COMPILERS, BuiltRuntime, build_runtime
from nnapi_check.lowering.ndk.project import RUNTIME, runtime_files
from nnapi_check.lowering.nnapi.host_runtime.build import find_compiler

HERE = Path(__file__).parent
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
WARNED = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror")


@cache
def runtime() -> BuiltRuntime:
    """The runtime as verification builds it; runs at the same time wait for each other."""
    with _lock("runtime"):
        return build_runtime()


@cache
def fake_nnapi(level: int) -> Path:
    """A library that has NNAPI's functions of a level, and computes nothing."""
    source = HERE / "fake_nnapi.cpp"
    return _built(f"libfake{level}.so", [source], ("-fPIC", "-shared", f"-DFAKE_LEVEL={level}", str(source)))


@cache
def sanitized() -> Path:
    """The runtime as CMake builds a project, warnings being errors, with sanitizers: the folder of the build."""
    digest = hashlib.sha256(repr(SANITIZED).encode())
    for path in runtime_files():
        if path.suffix in (".cpp", ".h", ".txt"):
            digest.update((RUNTIME / path).read_bytes())
    folder = cache_directory() / f"ndk-tests-cmake-{digest.hexdigest()[:20]}"
    with _lock("cmake"):
        if not (folder / "run_model").is_file():
            flags = " ".join(("-Werror", *SANITIZED))
            configure = ["cmake", "-S", str(RUNTIME), "-B", str(folder), f"-DCMAKE_CXX_FLAGS={flags}"]
            subprocess.run(configure, check=True, capture_output=True)
            subprocess.run(["cmake", "--build", str(folder), "-j2"], check=True, capture_output=True)
    return folder


@cache
def fuzzer() -> Path:
    """A program that opens mutated model files, with sanitizers."""
    source, folder = HERE / "fuzz_reader.cpp", sanitized()
    library = (f"-L{folder}", f"-Wl,-rpath,{folder}", "-lnnc")
    return _built("fuzz_reader", [source], (*SANITIZED, f"-I{RUNTIME / 'include'}", str(source), *library))


def _built(name: str, sources: Sequence[Path], options: Sequence[str]) -> Path:
    compiler = find_compiler("CXX", COMPILERS)
    digest = hashlib.sha256(repr((compiler, options)).encode())
    for path in sources:
        digest.update(path.read_bytes())
    target = cache_directory() / f"ndk-tests-{digest.hexdigest()[:20]}" / name
    with _lock(name):
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([*compiler.command, *WARNED, *options, "-o", str(target)], check=True)
    return target


class _lock:  # noqa: N801 # it is used as a statement
    def __init__(self, name: str) -> None:
        cache_directory().mkdir(parents=True, exist_ok=True)
        self._path = cache_directory() / f"ndk-tests-{name}.lock"

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
