"""A sweep over files and functions of a user, in processes of their own."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.nnapi_check.conftest import Run, in_process
from tests.nnapi_check.models import traced

ZOO = """
import os, sys, time, torch
print("this goes to nobody")

def linear():
    return torch.nn.Linear(5, 7), [torch.rand(3, 5)]

def broken():
    raise KeyError("no such layer")

def crash():
    os.abort()

def hungry():
    return torch.nn.Linear(5, 7), [torch.rand(1 << 33)]

def slow():
    time.sleep(600)

def _hidden():
    return linear()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a file that is none, and a module of builders."""
    found = tmp_path_factory.mktemp("swept")
    traced(found / "tiny.pt")
    (found / "damaged.pt").write_bytes(b"no model")
    (found / "zoo.py").write_text(ZOO, encoding="utf-8")
    return found


def sweep(folder: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nnapi_check", "sweep", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, cwd=folder, env={**os.environ, **variables}
    )


@pytest.fixture(scope="module")
def swept(folder: Path) -> subprocess.CompletedProcess[str]:
    """One sweep over all of it."""
    return sweep(
        folder, ".", "zoo:[!s]*", "--feature-level", 3, "--feature-level", 8, "--format", "json", "--html", "m.html",
        "--memory", 16,
    )  # fmt: skip


@pytest.fixture(scope="module")
def rows(swept: subprocess.CompletedProcess[str]) -> Mapping[tuple[str, int], Mapping[str, object]]:
    return {(row["subject"], row["feature_level"]): row for row in json.loads(swept.stdout)["results"]}


def test_every_model_has_an_answer_or_an_error_at_every_level(
    rows: Mapping[tuple[str, int], Mapping[str, object]], swept: subprocess.CompletedProcess[str]
) -> None:
    names = ("tiny.pt", "damaged.pt", "zoo:linear", "zoo:broken", "zoo:crash", "zoo:hungry")
    assert set(rows) == {(name, level) for name in names for level in (3, 8)}
    assert swept.returncode == 1
    assert swept.stderr == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("damaged.pt", "damaged.pt"),
        ("zoo:broken", "zoo:broken raised KeyError: 'no such layer'"),
        ("zoo:crash", "zoo:crash could not be read: PyTorch crashed on it (SIGABRT)"),
        ("zoo:hungry", "It needs more memory than its limit of 16 GiB."),
    ],
)
def test_what_goes_wrong_is_told_of_the_model_alone(
    name: str, words: str, rows: Mapping[tuple[str, int], Mapping[str, object]]
) -> None:
    assert words in str(rows[name, 3]["error"])
    assert rows["tiny.pt", 3]["error"] == rows["zoo:linear", 8]["error"] == ""
    assert rows["tiny.pt", 3]["readiness"] == "ready"


def test_what_was_answered_is_not_asked_again(swept: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert swept.returncode == 1
    again = sweep(folder, "tiny.pt", "zoo:linear", "--feature-level", 3, "--feature-level", 8)

    assert again.returncode == 0, again.stderr
    assert "2 of 2 models were answered before" in again.stderr
    assert "tiny.pt" in again.stdout


def test_a_model_that_takes_too_long_is_ended(folder: Path) -> None:
    started = time.monotonic()
    found = sweep(folder, "zoo:slow", "--feature-level", 3, "--seconds", 0.5, "--database", "slow.db")

    assert found.returncode == 1
    assert "It was not answered within 0.5 seconds." in " ".join(found.stdout.split())
    assert time.monotonic() - started < 60


def test_each_model_is_converted_and_run_at_each_level_and_nothing_is_left_behind(folder: Path, tmp_path: Path) -> None:
    call = ("tiny.pt", "zoo:linear", "--feature-level", 1, "--feature-level", 3, "--feature-level", 8, "--convert")
    found = sweep(folder, *call, "--format", "json", "--database", "c.db", TMPDIR=str(tmp_path))

    assert found.returncode == 0, found.stderr
    rows = {(row["subject"], row["feature_level"]): row for row in json.loads(found.stdout)["results"]}
    for name in ("tiny.pt", "zoo:linear"):
        for level in (3, 8):
            row = rows[name, level]
            assert row["verification"] == "passed"
            assert row["difference"] < 1e-5
            assert row["artifact_bytes"] > row["model_bytes"] / 2
            assert row["convert_seconds"] > 0
        # The target starts at a higher level.
        assert (rows[name, 1]["readiness"], rows[name, 1]["verification"]) == ("does not fit the target", "")
    assert rows["tiny.pt", 3]["model_bytes"] == (folder / "tiny.pt").stat().st_size
    assert list(tmp_path.iterdir()) == []

    with sqlite3.connect(folder / "c.db") as database:
        database.execute("update results set verification = 'failed', difference = 0.5 where subject = 'zoo:linear'")
    again = sweep(folder, *call, "--database", "c.db")

    assert again.returncode == 1
    assert "Converted for level 3, it is 5e-01" in again.stdout


def test_an_interrupt_ends_what_runs(folder: Path) -> None:
    command = [sys.executable, "-m", "nnapi_check", "sweep", "zoo:slow", "--feature-level", "3", "--database", "i.db"]
    with subprocess.Popen(
        command,
        cwd=folder,
        stderr=subprocess.PIPE,
        # Where the tests run in the background of a shell, the signal is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            while not _children(process.pid):
                time.sleep(0.05)
            (worker, *_) = _children(process.pid)
            process.send_signal(signal.SIGINT)

            assert process.wait(60) == 130
        finally:
            process.kill()
    assert not Path(f"/proc/{worker}").exists()


def _children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split() + [
        child
        for task in Path(f"/proc/{process}/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    ]


def test_the_command_imports_no_pytorch() -> None:
    code = "import sys, nnapi_check.sweep.command, nnapi_check.sweep.sweeping; assert 'torch' not in sys.modules"

    assert in_process(code=code).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.pt", "--feature-level", 3], "names no model"),
        (["."], "Which Android?"),
        ([".", "--api-level", 12], "12"),
    ],
)
def test_a_wrong_call_is_told(arguments: list[object], words: str, run: Run, folder: Path) -> None:
    found = run("sweep", *(folder if argument == "." else argument for argument in arguments))

    assert found.exit_code == 2
    assert words in found.stderr
