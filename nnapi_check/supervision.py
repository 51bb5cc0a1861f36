"""A command about a model file runs in a process of its own, which this one watches.

PyTorch's readers are written in C++ and trust what they read: a file that gets past what we look for may crash them, or
keep them busy for ever. Here that becomes one sentence. The process is forked before PyTorch is imported, so that it
costs nothing but the fork, and what it prints, its exit code and the signals that it gets are those of the command.
While the file is read it may write no files, and use only so much memory and time. Since it is ours alone and ends with
the command, it keeps what it imports for good, and is left without being taken down.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from nnapi_check.coverage_db.errors import UserError

T = TypeVar("T")

TIME_VARIABLE = "NNAPI_CHECK_READ_SECONDS"
READ_SECONDS = 60.0
"""How much processor time the reading of a file may take, and a second more for each megabyte."""
READ_BYTES = 2 << 30
"""How much memory the reading of a file may take, and 16 times the file's size more."""
_TICK_SECONDS = 0.5
_COLLECTED_AFTER = (50_000, 10, 10)
"""How many new objects, and collections of younger ones, a collection waits for; Python's own are 700, 10 and 10."""
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_BY_A_USER = 0
_PR_SET_PDEATHSIG = 1
# In place of the number of the file that is read: one that the command was not given, and none.
_UNKNOWN, _NONE = 254, 255


class StoppedError(UserError):
    """The process that read a model file was stopped, by PyTorch or by a limit."""


@dataclass(slots=True)
class _Watch:
    """Where this process, if it is watched, tells what it is doing, and what it keeps until it ends."""

    pipe: int | None = None
    files: tuple[Path, ...] = ()
    held: object = None


_watch = _Watch()


def supervised(command: Callable[[], int], *files: Path) -> int:
    """Run a command that reads ``files`` in a process of its own, and give its exit code.

    Raises ``StoppedError`` where that process does not live to tell one. Where processes cannot be forked, or PyTorch
    is imported already, the command runs in this one.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return command()
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = os.pipe()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD})
    try:
        child = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return command()
    if child == 0:
        os.close(ours)
        die_with(parent)
        _watch.pipe, _watch.files = theirs, files
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return command()
    os.close(theirs)
    os.set_blocking(ours, False)
    watched = _Child(child, ours, files)
    return _exit_code(watched.watch(), watched.named())


@contextmanager
def kept() -> Iterator[None]:
    """Collect no garbage while a watched process imports modules, nor look through what they made ever after.

    They make a million objects that live as long as the process; looking through them time and again takes a seventh of
    what importing PyTorch does.
    """
    if _watch.pipe is None or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        collect_seldom()
        gc.enable()


def held_to_the_end(made: T) -> T:
    """What a command made, which is not taken down piece by piece where this process is watched and ends with it."""
    if _watch.pipe is not None:
        _watch.held = made
    return made


def collect_seldom() -> None:
    """Look for garbage only among what is made from now on, and less often than Python does by itself.

    What is captured and planned lives as long as the process, and is looked through whenever it has grown by a quarter:
    a fifth of the time that a graph of 50,000 nodes takes to be judged.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


def leave(code: str | int | None) -> NoReturn:
    """End the process with an exit code, a watched one without taking down all that PyTorch made.

    What was asked to be done at the end is done, and all output written. Taking down takes a quarter of the time of
    importing PyTorch, and the system does the same at once.
    """
    if _watch.pipe is None or not isinstance(code, int) or threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        # Python tells of a stream that cannot be written to, and has an exit code for it.
        sys.exit(code)
    os._exit(code)


@contextmanager
def reading(file: Path | None) -> Iterator[None]:
    """Hold a watched process to the limits of reading ``file``; elsewhere, and for no file, do nothing."""
    if _watch.pipe is None or file is None:
        yield
        return
    import resource
    import tempfile

    # PyTorch asks for it while it is imported bit by bit, and Python finds it by writing a file.
    tempfile.gettempdir()
    os.write(_watch.pipe, bytes([_watch.files.index(file) if file in _watch.files else _UNKNOWN]))
    before = {kind: resource.getrlimit(kind) for kind in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)}
    limits = {resource.RLIMIT_DATA: _data_bytes() + READ_BYTES + 16 * _size_of(file), resource.RLIMIT_FSIZE: 0}
    for kind, limit in limits.items():
        soft, hard = before[kind]
        resource.setrlimit(kind, (limit if soft == resource.RLIM_INFINITY else min(soft, limit), hard))
    try:
        yield
    finally:
        for kind, both in before.items():
            resource.setrlimit(kind, both)
        os.write(_watch.pipe, bytes([_NONE]))


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _data_bytes() -> int:
    """The memory of this process that counts for its limit."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def die_with(parent: int) -> None:
    """Let the kernel end this process when ``parent`` ends, however that does."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@dataclass(slots=True)
class _Child:
    """The process that does the work, and what is known of it."""

    process: int
    pipe: int
    files: tuple[Path, ...]
    started: float | None = None
    read: Path | None = None

    def watch(self) -> int:
        """Wait for the process to end, and give its status. Raises ``StoppedError`` where it has to be stopped."""
        while True:
            found = signal.sigtimedwait({*_FORWARDED, signal.SIGCHLD}, _TICK_SECONDS)
            # What a terminal sends goes to both processes.
            if found is not None and found.si_signo != signal.SIGCHLD and found.si_code <= _BY_A_USER:
                os.kill(self.process, found.si_signo)
            ended, status = os.waitpid(self.process, os.WNOHANG)
            if ended:
                self._hear(0.0)
                return status
            self._check_time()

    def named(self) -> str:
        """The file that is being read or, where that is not known, all that it may be."""
        return " or ".join(str(file) for file in self._suspects())

    def _suspects(self) -> tuple[Path, ...]:
        return self.files if self.read is None else (self.read,)

    def _hear(self, used: float) -> None:
        try:
            words = os.read(self.pipe, 4096)
        except BlockingIOError:
            return
        if words:
            last = words[-1]
            self.started = None if last == _NONE else used
            self.read = self.files[last] if last < len(self.files) else None

    def _check_time(self) -> None:
        used = _processor_seconds(self.process)
        self._hear(used)
        limit = _read_seconds() + sum(_size_of(file) for file in self._suspects()) / 1e6
        if self.started is not None and used - self.started > limit:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            raise StoppedError(
                f"{self.named()} was not read within {limit:.0f} seconds of processor time, which no honest model of "
                f"its size needs; if it does, set {TIME_VARIABLE} to more."
            )


def _read_seconds() -> float:
    try:
        return float(os.environ.get(TIME_VARIABLE, READ_SECONDS))
    except ValueError:
        return READ_SECONDS


def _processor_seconds(process: int) -> float:
    """How long a process has run on processors, all its threads together."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _exit_code(status: int, file: str) -> int:
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    if number in _FORWARDED:
        # As if there had been one process.
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    name = signal.Signals(number).name
    why = "there was not enough memory" if number == signal.SIGKILL else "PyTorch crashed on it"
    raise StoppedError(f"{file} could not be read: {why} ({name}); save it again, or report it with the file.")
