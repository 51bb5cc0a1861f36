"""Run the processes of many models, some at a time, each within its limits.

Each model has a process of its own, as a file of a stranger may crash PyTorch, and a large one may need all the memory.
Pools of processes, joblib's and Python's, keep theirs for many tasks, and are broken where one is ended; so threads
wait here for processes that serve one model each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from tempfile import TemporaryDirectory

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.reports.many.rows import SweepRow
from nnapi_check.sweep.jobs import Answer, Question, question_text, read_answer

_WORKER = (sys.executable, "-m", "nnapi_check.sweep.worker")
_TICK_SECONDS = 0.5
_THREADS = "OMP_NUM_THREADS"


class Processes:
    """The processes that run now, one for each question, until they are ended."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._is_ended = False
        self._lock = threading.Lock()

    def ask(self, question: Question) -> Answer:
        """Answer one question in a process of its own. Rows that it does not give say why.

        What it writes to the folder of temporary files is removed, however it ends.
        """
        late = ""
        with (
            TemporaryDirectory(prefix="nnapi-check-", ignore_cleanup_errors=True) as folder,
            subprocess.Popen(
                _WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={_THREADS: str(question.processors), **os.environ, "TMPDIR": folder},
                encoding="utf-8",
                errors="replace",
            ) as process,
        ):
            with self._lock:
                self._running.add(process)
                # It was started while the rest was ended.
                if self._is_ended:
                    process.kill()
            try:
                printed, told = process.communicate(question_text(question), timeout=question.seconds)
            except subprocess.TimeoutExpired:
                late = f"It was not answered within {question.seconds:g} seconds."
                process.kill()
                printed, told = process.communicate()
            finally:
                with self._lock:
                    self._running.discard(process)
        found = read_answer(printed)
        given = {(row.target, row.feature_level) for row in found.rows}
        error = late or _last_line(told) or f"Its process ended with code {process.returncode}."
        missing = (row for row in question.asked if (row.target, row.feature_level) not in given)
        return replace(found, rows=(*found.rows, *(_unanswered(row, error) for row in missing)))

    def end(self) -> None:
        """End what runs, and what is asked later as soon as it runs."""
        with self._lock:
            self._is_ended = True
            for process in self._running:
                process.kill()


def ask(question: Question) -> Answer:
    """Answer one question, on whichever machine this is called."""
    return Processes().ask(question)


@dataclass(frozen=True, slots=True)
class Place:
    """Where questions are answered, how, and how that is ended early."""

    executor: Executor
    ask: Callable[[Question], Answer]
    end: Callable[[], None]


def functions(module: str, pattern: str) -> list[str]:
    """The public functions of a user's module by a pattern, found in another process. Raises ``UserError``."""
    done = subprocess.run([*_WORKER, module, pattern], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(_last_line(done.stderr) or f"{module} cannot be imported.")
    return done.stdout.split()


def answers(questions: Sequence[Question], place: Place) -> Generator[tuple[Question, Answer], None, None]:
    """The answers as they come. Where the caller stops, what runs is ended and the rest is not begun."""
    waiting: dict[Future[Answer], Question] = {}
    try:
        waiting.update((place.executor.submit(place.ask, question), question) for question in questions)
        left = set(waiting)
        while left:
            # An interrupt that comes right before a wait without end would be heard of after it only.
            done, left = wait(left, _TICK_SECONDS, FIRST_COMPLETED)
            for future in done:
                yield waiting[future], future.result()
    finally:
        for future in waiting:
            future.cancel()
        place.executor.shutdown(wait=False)
        place.end()


def here(jobs: int) -> Place:
    """This machine, with so many processes at a time."""
    processes = Processes()
    return Place(ThreadPoolExecutor(jobs), processes.ask, processes.end)


def cluster(address: str) -> Place:
    """A Dask cluster, whose machines see the same files. Raises ``UserError``."""
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError("--dask needs Dask: pip install 'nnapi-check[dask]'.") from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UserError(f"There is no Dask scheduler at {address}: {error}") from error
    return Place(client.get_executor(pure=False), ask, client.close)


def _unanswered(row: SweepRow, error: str) -> SweepRow:
    return replace(row, error=error, finished=datetime.now(UTC).isoformat(timespec="seconds"))


def _last_line(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return lines[-1] if lines else ""
