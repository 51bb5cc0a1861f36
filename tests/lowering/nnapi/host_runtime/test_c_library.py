"""The C library by itself: it compiles without warnings, keeps its promises, leaks nothing, races nowhere."""

from __future__ import annotations

import ctypes
import importlib.util
import mmap
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnapi_check.lowering.nnapi.host_runtime.build import OPTIONS, build_library, definitions, find_compiler, sources
from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError

HERE = Path(__file__).parent


def build_driver(directory: Path, *options: str) -> Path:
    try:
        compiler = find_compiler()
    except NoCompilerError as error:
        pytest.skip(str(error))
    program = directory / "driver"
    files = [str(path) for path in (*sources(), *HERE.glob("driver*.c")) if path.suffix == ".c"]
    flags = [*OPTIONS, *definitions(), "-g", "-Wall", "-Wextra", "-Werror", f"-I{sources()[0].parent}", *options]
    command = [*compiler.command, *flags, "-o", str(program), *files]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode and any(option.startswith("-fsanitize") for option in options):
        pytest.skip(f"the compiler has no such sanitizer: {built.stderr.splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    return program


def find_strings(content: mmap.mmap, start: bytes) -> Iterator[str]:
    """All strings between null bytes that begin so and are one word."""
    place = content.find(b"\0" + start)
    while place >= 0:
        end = content.find(b"\0", place + 1)
        if content[place + 1 : end].replace(b"_", b"").isalnum():
            yield content[place + 1 : end].decode()
        place = content.find(b"\0" + start, end)


def run(*command: str | Path) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 failures" in ran.stdout


def test_every_function_answers_right_and_wrong_calls_with_nnapi_s_codes(tmp_path: Path) -> None:
    run(build_driver(tmp_path))


def test_nothing_is_leaked_or_misread(tmp_path: Path) -> None:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind is not installed")

    run(valgrind, "--quiet", "--leak-check=full", "--error-exitcode=9", build_driver(tmp_path))


def test_no_behavior_is_undefined(tmp_path: Path) -> None:
    run(build_driver(tmp_path, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"))


def test_sources_are_clean_under_strict_warnings() -> None:
    try:
        compiler = find_compiler()
    except NoCompilerError as error:
        pytest.skip(str(error))
    strict = ["-Werror", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-fsyntax-only"]
    files = [path for path in sources() if path.suffix == ".c"]

    ran = subprocess.run(
        [*compiler.command, *OPTIONS, *definitions(), *strict, *files], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr


def test_threads_do_not_race(tmp_path: Path) -> None:
    run(build_driver(tmp_path, "-fsanitize=thread"))


def test_no_source_file_has_over_400_lines() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in sources()}

    assert max(lengths.values()) < 400, lengths


def test_level_3_is_the_first_with_every_function_that_pytorch_looks_up() -> None:
    found = importlib.util.find_spec("torch")
    assert found is not None
    assert found.origin is not None
    binary = Path(found.origin).parent / "lib" / "libtorch_cpu.so"
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = set(find_strings(content, b"ANeuralNetworks"))
    try:
        library, lower = (ctypes.CDLL(str(build_library(level=level))) for level in (3, 2))
    except NoCompilerError as error:
        pytest.skip(str(error))

    assert len(names) == 34
    assert [name for name in sorted(names) if not hasattr(library, name)] == []
    assert "ANeuralNetworksExecution_compute" in {name for name in names if not hasattr(lower, name)}
