"""The process of its own in which a command about a file runs, watched by one that knows nothing of PyTorch."""

import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from nnapi_check.supervision import kept
from tests.analyzer.files.screening.hostile_files import edited, program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched on Linux only")

PROGRAM = """
import atexit, gc, os, signal, sys, time
from pathlib import Path
import click
from nnapi_check.errors import FrontDoor
from nnapi_check.supervision import kept, leave, reading, supervised

PARENT = os.getpid()
FILE, OTHER = Path("model.pt"), Path("other.pt")
for number in (signal.SIGTERM, signal.SIGHUP):  # Whoever runs the tests may ignore them.
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

def command():
{body}

@click.group(cls=FrontDoor, default="run")
def main(): pass

@main.command()
def run(): sys.exit(supervised(command, FILE, *[OTHER][: {others}]))

class Held:
    def __del__(self): os.write(1, b"taken down")

HELD = Held()
try:
    main(prog_name="nnapi-check")
except SystemExit as ended:
    if os.getpid() == PARENT:
        del Held.__del__
    leave(ended.code)
"""


def started(
    folder: Path, *lines: str, seconds: str = "60", others: int = 0, output: Path | None = None
) -> subprocess.Popen[str]:
    body = "\n".join(f"    {line}" for line in lines)
    environment = {**os.environ, "NNAPI_CHECK_READ_SECONDS": seconds, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("PYTHONUNBUFFERED", None)
    pipe = subprocess.PIPE
    program = [sys.executable, "-c", PROGRAM.format(body=body, others=others), "run"]
    with nullcontext(pipe) if output is None else output.open("w") as out:
        return subprocess.Popen(program, cwd=folder, env=environment, stdout=out, stderr=pipe, text=True)


def ended(folder: Path, *lines: str, seconds: str = "60", others: int = 0) -> tuple[int, str, str]:
    process = started(folder, *lines, seconds=seconds, others=others)
    out, errors = process.communicate(timeout=30)
    return process.returncode, out, errors


@pytest.mark.parametrize("code", [0, 1, 2, 7])
def test_exit_code_and_output_are_those_of_the_command(code: int, tmp_path: Path) -> None:
    assert ended(tmp_path, "print('out')", "print('err', file=sys.stderr)", f"return {code}") == (
        code,
        "out\n",
        "err\n",
    )


def test_what_is_left_for_the_end_is_done_and_nothing_is_taken_down(tmp_path: Path) -> None:
    lines = ("atexit.register(print, 'at the end')", "print('out')", "return 1")

    assert ended(tmp_path, *lines) == (1, "out\nat the end\n", "")


def test_a_process_with_another_thread_ends_when_that_does(tmp_path: Path) -> None:
    lines = ("import threading", "threading.Timer(0.3, lambda: print('later', flush=True)).start()", "return 0")

    code, out, _ = ended(tmp_path, *lines)

    assert (code, out) == (0, "later\ntaken down")


def test_output_that_cannot_be_written_has_python_s_own_exit_code(tmp_path: Path) -> None:
    with started(tmp_path, "print('out')", "return 0", output=Path("/dev/full")) as process:
        assert process.wait(30) == 120


def test_what_is_imported_is_looked_through_by_no_collection(tmp_path: Path) -> None:
    lines = (
        "with kept(): found = gc.isenabled(), gc.get_freeze_count()",
        "print(found, gc.isenabled(), gc.get_freeze_count() > 1000, gc.get_threshold()[0] > 700)",
        "return 0",
    )

    assert ended(tmp_path, *lines) == (0, "(False, 0) True True True\n", "")


def test_a_process_that_is_not_watched_collects_as_before() -> None:
    with kept():
        assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_an_error_is_told_once(tmp_path: Path) -> None:
    code, out, errors = ended(
        tmp_path, "from nnapi_check.coverage_db.errors import UserError", "raise UserError('It is so.')"
    )

    assert (code, out, errors) == (2, "", "nnapi-check: It is so.\n")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE", "SIGBUS", "SIGILL", "SIGKILL"])
def test_a_crash_is_one_sentence(name: str, tmp_path: Path) -> None:
    code, out, errors = ended(tmp_path, f"os.kill(os.getpid(), signal.{name})", "time.sleep(9)")

    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("nnapi-check: model.pt could not be read: ")
    assert f"({name})" in errors


@pytest.mark.parametrize(
    ("read", "named"),
    [
        ("with reading(FILE):", "model.pt could"),
        ("with reading(OTHER):", "other.pt could"),
        ("with reading(FILE): pass\n    if True:", "model.pt or other.pt could"),
    ],
)
def test_a_crash_names_the_file_that_was_read(read: str, named: str, tmp_path: Path) -> None:
    code, _, errors = ended(tmp_path, read, "    os.kill(os.getpid(), signal.SIGSEGV)", others=1)

    assert code == 2
    assert errors.startswith(f"nnapi-check: {named}")


def test_a_reading_that_does_not_end_is_one_sentence(tmp_path: Path) -> None:
    code, out, errors = ended(tmp_path, "with reading(FILE):", "    while True: pass", seconds="0.3")

    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert "model.pt was not read within 0 seconds" in errors


def test_what_is_done_after_reading_may_take_longer(tmp_path: Path) -> None:
    lines = ("with reading(FILE): pass", "start = time.process_time()", "while time.process_time() < start + 1.2: pass")

    assert ended(tmp_path, *lines, "return 0", seconds="0.1")[0] == 0


def test_a_reading_that_takes_too_much_memory_is_one_sentence(tmp_path: Path) -> None:
    code, out, errors = ended(tmp_path, "with reading(FILE):", "    bytearray(5 << 30)", "return 0")

    assert (code, out, errors) == (2, "", "nnapi-check: there is not enough memory for this.\n")


def test_a_file_that_is_read_writes_none(tmp_path: Path) -> None:
    code, _, errors = ended(tmp_path, "with reading(FILE):", "    Path('written').write_text('x' * 9)", "return 0")

    assert code == 2
    assert errors.count("\n") == 1
    assert not (tmp_path / "written").exists() or not (tmp_path / "written").read_bytes()


def test_limits_end_with_the_reading(tmp_path: Path) -> None:
    taken = "import mmap; mmap.mmap(-1, 3 << 30, flags=mmap.MAP_PRIVATE)"

    inside = ended(tmp_path, "with reading(FILE):", f"    {taken}", "return 0")
    after = ended(tmp_path, "with reading(FILE): pass", "Path('written').write_text('x')", taken, "return 0")

    assert (inside[0], after[0]) == (2, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both_processes_as_if_there_were_one(number: signal.Signals, tmp_path: Path) -> None:
    with started(tmp_path, "print(os.getpid(), flush=True)", "time.sleep(60)") as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())

        process.send_signal(number)

        assert process.wait(20) == -number
        assert not is_alive(child)


def test_an_interrupt_is_told_by_its_exit_code(tmp_path: Path) -> None:
    with started(tmp_path, "print(os.getpid(), flush=True)", "time.sleep(60)") as process:
        assert process.stdout is not None
        process.stdout.readline()

        process.send_signal(signal.SIGINT)

        assert process.wait(20) == 130


def test_the_process_ends_with_the_one_that_watches_it(tmp_path: Path) -> None:
    with started(tmp_path, "print(os.getpid(), flush=True)", "time.sleep(60)") as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())

        process.kill()
        process.wait(20)

    deadline = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [("torch.ops.aten.relu.default", 0, "Verdict: ready"), ("torch.os.system", 2, "nnapi-check: ")],
)
def test_a_program_is_checked_within_the_limits(target: str, code: int, words: str, tmp_path: Path) -> None:
    path = with_target(program(tmp_path), target)
    command = [sys.executable, "-m", "nnapi_check", str(path), "--api-level", "29"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert found.returncode == code, found.stderr
    assert words in (found.stdout if code == 0 else found.stderr)


def with_target(path: Path, target: str) -> Path:
    """The program with another call in place of its own."""
    return edited(path, lambda _, data: data.replace(b"torch.ops.aten.relu.default", target.encode()))


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
