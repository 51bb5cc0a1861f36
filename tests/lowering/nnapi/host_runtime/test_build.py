"""Building the host runtime: once, atomically, and with clear words where it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nnapi_check.coverage_db.platform_facts import load_functions
from nnapi_check.lowering.nnapi.host_runtime import build
from nnapi_check.lowering.nnapi.host_runtime.build import build_library, find_compiler, library_path
from nnapi_check.lowering.nnapi.host_runtime.errors import BuildError, HostRuntimeError, NoCompilerError, PlatformError
from tests.registry_numbers import LEVELS


def write_compiler(directory: Path, script: str) -> Path:
    path = directory / "odd-cc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def exported_symbols(path: Path) -> list[str]:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm is not installed")
    found = subprocess.run([nm, "-D", "--defined-only", path], capture_output=True, text=True, check=True)
    return [line.split()[-1].split("@")[0] for line in found.stdout.splitlines()]


@pytest.fixture
def _compiler() -> None:
    try:
        find_compiler()
    except NoCompilerError as error:
        pytest.skip(str(error))


def test_says_that_no_compiler_was_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)

    with pytest.raises(NoCompilerError, match="no C compiler was found, tried cc, gcc, clang"):
        build_library(tmp_path)


def test_says_that_the_compiler_of_the_environment_was_not_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", "nowhere-cc --fast")

    with pytest.raises(HostRuntimeError, match="tried nowhere-cc --fast"):
        build_library(tmp_path)


def test_gives_the_words_of_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = 'test "$1" = --version && exit 0; echo "disk is full" >&2; exit 1'
    monkeypatch.setenv("CC", str(write_compiler(tmp_path, script)))

    with pytest.raises(BuildError, match="disk is full"):
        build_library(tmp_path / "cache")

    assert list((tmp_path / "cache").glob("*/*")) == []


@pytest.mark.usefixtures("_compiler")
def test_says_that_the_cache_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(BuildError, match="cannot be written"):
        build_library(tmp_path / "cache")


def test_says_that_the_system_is_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(PlatformError, match="needs Linux, this is darwin"):
        build_library(tmp_path)


@pytest.mark.usefixtures("_compiler")
def test_builds_once(tmp_path: Path) -> None:
    first = build_library(tmp_path)
    stamp = first.stat().st_mtime_ns

    assert build_library(tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    assert [path.name for path in first.parent.iterdir()] == [build.LIBRARY]


@pytest.mark.usefixtures("_compiler")
def test_builds_at_the_same_time_do_not_harm_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = set(pool.map(lambda _: build_library(tmp_path), range(2)))

    assert len(paths) == 1
    assert [path.name for path in paths.pop().parent.iterdir()] == [build.LIBRARY]


@pytest.mark.usefixtures("_compiler")
def test_another_compiler_gives_another_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usual = find_compiler()
    monkeypatch.setenv("CC", f"{usual.command[0]} -fno-common")

    assert library_path(find_compiler(), tmp_path) != library_path(usual, tmp_path)


@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("level", LEVELS)
def test_a_library_exports_its_level_s_functions_and_no_other(level: int) -> None:
    exported = {name for name in exported_symbols(build_library(level=level)) if name.startswith("ANeuralNetworks")}

    assert exported == {facts.name for facts in load_functions() if facts.since <= level}


@pytest.mark.usefixtures("_compiler")
def test_each_level_has_a_library_of_its_own(tmp_path: Path) -> None:
    paths = {library_path(find_compiler(), tmp_path, level) for level in LEVELS}

    assert len(paths) == len(LEVELS)


@pytest.mark.usefixtures("_compiler")
def test_a_broken_library_in_the_cache_is_built_again(tmp_path: Path) -> None:
    path = library_path(find_compiler(), tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x7fELF broken")
    code = "from nnapi_check.lowering.nnapi.host_runtime import runtime; print(runtime.load_host_runtime().library)"
    environment = {**os.environ, "NNAPI_CHECK_CACHE": str(tmp_path)}

    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )

    assert ran.stdout.strip() == str(path), ran.stderr
