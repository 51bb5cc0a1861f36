"""The database is built once, rebuilt when text changes or the file is damaged, and survives an unwritable cache."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnapi_check.coverage_db.database.cache import cache_directory, remove_stale
from nnapi_check.coverage_db.queries import open_registry
from tests.registry_numbers import OPERATION_COUNT

DAY_IN_SECONDS = 24 * 60 * 60

OPEN = """
import sys
from pathlib import Path
from nnapi_check.coverage_db.queries import open_registry
registry = open_registry(directory=Path(sys.argv[1]))
print(len(registry.operations()), registry.path is not None)
"""


def built(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_a_second_run_reads_what_the_first_built(text: Path, cache: Path) -> None:
    first = open_registry(directory=text)
    (file,) = built(cache)
    before = file.stat().st_ino

    second = open_registry(directory=text)

    assert first.path == second.path == file
    assert file.stat().st_ino == before
    assert second.operations() == first.operations()


def test_changed_text_is_seen_even_when_size_and_time_are_kept(text: Path, cache: Path) -> None:
    path = text / "differences.toml"
    times = path.stat()
    open_registry(directory=text)
    path.write_text(path.read_text(encoding="utf-8").replace("NHWC", "CHWN"), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    registry = open_registry(directory=text)

    assert registry.difference("layout").nnapi == "CHWN"
    assert len(built(cache)) == 2


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "zeroed", "another"])
def test_a_damaged_file_is_built_again(text: Path, cache: Path, damage: str) -> None:
    whole = open_registry(directory=text).operations()
    (file,) = built(cache)
    data = file.read_bytes()
    middle = len(data) // 2 // 4096 * 4096
    file.write_bytes(
        {
            "empty": b"",
            "garbage": b"no database" * 1000,
            "cut": data[:middle],
            "zeroed": data[:middle] + bytes(40960) + data[middle + 40960 :],
            "another": data.replace(file.name.split("-")[1].encode(), b"0" * 16),
        }[damage]
    )
    assert file.read_bytes() != data

    registry = open_registry(directory=text)

    assert registry.operations() == whole
    assert file.read_bytes() == data


def test_processes_that_build_at_once_all_succeed(text: Path, cache: Path) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(text)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]

    answers = [run.communicate()[0].strip() for run in runs]

    assert answers == [f"{OPERATION_COUNT} True"] * 3
    assert len(built(cache)) == 1
    assert open_registry(directory=text).path == built(cache)[0]


def test_without_a_writable_cache_it_is_built_in_memory(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("NNAPI_CHECK_CACHE", str(tmp_path / "file" / "cache"))

    registry = open_registry(directory=text)

    assert registry.path is None
    assert len(registry.operations()) == OPERATION_COUNT
    assert registry.status().rows("operations") == OPERATION_COUNT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_left_alone(text: Path, cache: Path) -> None:
    cache.mkdir(mode=0o555)

    registry = open_registry(directory=text)

    assert registry.path is None
    assert built(cache) == []


def test_a_registry_outlives_its_file(text: Path, cache: Path) -> None:
    open_registry(directory=text)
    registry = open_registry(directory=text)
    built(cache)[0].unlink()

    assert len(registry.operations()) == OPERATION_COUNT


def test_a_registry_keeps_no_file_open(text: Path) -> None:
    open_registry(directory=text)
    before = sorted(os.listdir("/proc/self/fd"))

    registry = open_registry(directory=text)
    registry.operations()
    registry.status()

    assert sorted(os.listdir("/proc/self/fd")) == before


def test_only_files_that_nobody_read_for_a_month_are_removed(cache: Path) -> None:
    cache.mkdir()
    now = time.time()
    ages = {
        "registry-used.db": 29,
        "registry-stale.db": 31,
        "registry-kept.db": 400,
        "notes.db": 400,
        "registry-notes.txt": 400,
    }
    for name, days in ages.items():
        (cache / name).write_bytes(b"")
        os.utime(cache / name, (now - days * DAY_IN_SECONDS,) * 2)

    remove_stale(cache, keep=cache / "registry-kept.db")

    assert [path.name for path in built(cache)] == [
        "notes.db",
        "registry-kept.db",
        "registry-notes.txt",
        "registry-used.db",
    ]


def test_reading_keeps_a_database_from_becoming_stale(text: Path, cache: Path) -> None:
    open_registry(directory=text)
    (file,) = built(cache)
    long_ago = time.time() - 40 * DAY_IN_SECONDS
    os.utime(file, (long_ago, long_ago))

    open_registry(directory=text)

    assert time.time() - file.stat().st_mtime < DAY_IN_SECONDS


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    monkeypatch.setenv("NNAPI_CHECK_CACHE", "/var/own")
    own = cache_directory()
    monkeypatch.delenv("NNAPI_CHECK_CACHE")
    shared = cache_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    relative = cache_directory()
    monkeypatch.delenv("XDG_CACHE_HOME")

    assert own == Path("/var/own")
    assert shared == Path("/var/xdg/nnapi-check")
    assert relative == cache_directory() == Path("/home/someone/.cache/nnapi-check")


def test_without_a_home_it_is_built_in_memory(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("nnapi_check.coverage_db.queries.cache_directory", no_home)

    registry = open_registry(directory=text)

    assert registry.path is None
    assert registry.operation("ADD").code == 0
