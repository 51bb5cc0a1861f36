"""Each item of work in a process of its own, forked from this one, with limits of time and memory."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch

Item = TypeVar("Item")
SECONDS = 900
MEMORY_BYTES = 12 << 30


@dataclass(frozen=True, slots=True)
class Ended(Generic[Item]):
    """The lines that the process of an item wrote, and how it failed: by its time, in words, or not at all."""

    item: Item
    lines: tuple[str, ...]
    is_late: bool = False
    death: str = ""


def in_processes(
    items: Sequence[Item],
    work: Callable[[Item], Iterator[str]],
    jobs: int,
    *,
    seconds: float = SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[Ended[Item]]:
    """Do ``work`` for each item, so many at the same time. It gives lines of text, which are kept as they come."""
    waiting = list(reversed(items))
    running: dict[int, tuple[Item, Path, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < jobs:
                item = waiting.pop()
                path = Path(folder) / f"{len(waiting)}.jsonl"
                path.touch()
                child = os.fork()
                if child == 0:
                    _work(item, path, work, memory_bytes)
                running[child] = (item, path, time.monotonic())
            for child, (item, path, started) in list(running.items()):
                pid, status = os.waitpid(child, os.WNOHANG)
                if not pid and time.monotonic() - started < seconds:
                    continue
                if not pid:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                del running[child]
                lines = tuple(path.read_text(encoding="utf-8").splitlines())
                yield Ended(item, lines, not pid, _death(path, status) if pid and status else "")
            time.sleep(0.02)


def _death(path: Path, status: int) -> str:
    error = path.with_suffix(".error")
    if error.exists():
        return error.read_text(encoding="utf-8")
    return f"exit code {os.waitstatus_to_exitcode(status)}"


def _work(item: Item, path: Path, work: Callable[[Item], Iterator[str]], memory_bytes: int) -> None:
    """Write what the work gives line by line, and end this process."""
    code = 1
    try:
        torch.set_num_threads(1)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        with path.open("w", encoding="utf-8") as file, open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            for line in work(item):
                file.write(f"{line}\n")
                file.flush()
        code = 0
    except Exception as error:  # noqa: BLE001  # the parent tells of it
        path.with_suffix(".error").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
    finally:
        os._exit(code)
