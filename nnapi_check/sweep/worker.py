"""The process of one model: reads a question from its standard input, and writes the answer line by line.

    python -m nnapi_check.sweep.worker              a question, as JSON on the standard input
    python -m nnapi_check.sweep.worker MODULE NAME  the functions of a user's module that match a pattern, a line each

While a file is read the limits of a check hold, for the same code watches it. What a user's function prints goes to the
error stream.
"""

from __future__ import annotations

import fnmatch
import importlib
import io
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TextIO

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.errors import UserError
from nnapi_check.errors import EXIT_WRONG
from nnapi_check.faults import InternalError, code_of_users, faults_told
from nnapi_check.reports.many.rows import StaysRow, SweepRow, answered, stays
from nnapi_check.supervision import die_with, kept, leave, supervised
from nnapi_check.sweep.jobs import Question, answer_lines, read_question

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from nnapi_check.analyzer.capture.capture import Captured, Inputs, Model
    from nnapi_check.pipeline import Checked, Request
    from nnapi_check.reports.views import ModelReport

_TOLD = (UserError, InternalError, MemoryError, OSError)


def main(arguments: Sequence[str]) -> int:
    """Answer one question, or list functions, and give the exit code."""
    die_with(os.getppid())
    with _own_output() as output:
        try:
            if arguments:
                module, pattern = arguments
                output.writelines(f"{name}\n" for name in functions(module, pattern))
                return 0
            question = read_question(sys.stdin.read())
            return supervised(lambda: _answer(question, output), Path(question.path or question.subject))
        except _TOLD as error:
            sys.stderr.write(f"{_sentence(error, None)}\n")
            return EXIT_WRONG


@contextmanager
def _own_output() -> Iterator[TextIO]:
    """The standard output, on which nothing else prints meanwhile."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        yield output


def functions(module: str, pattern: str) -> list[str]:
    """The public functions of a module by a pattern: those that ``__all__`` names, else those that it defines."""
    with code_of_users(f"Importing {module}"):
        found = importlib.import_module(module)
    names = getattr(found, "__all__", None)
    if names is None:
        defined = vars(found).items()
        names = [name for name, item in defined if callable(item) and getattr(item, "__module__", "") == module]
    return sorted(name for name in names if fnmatch.fnmatchcase(name, pattern) and not name.startswith("_"))


def _answer(question: Question, output: TextIO) -> int:
    """Write a row for everything that is asked, each as soon as it is known."""
    if question.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (question.memory_bytes, question.memory_bytes))
    started = time.perf_counter()
    try:
        with faults_told():
            ask = _captured(question)
    except _TOLD as error:
        for asked in question.asked:
            _written(replace(asked, error=_sentence(error, question.memory_bytes)), (), started, output)
        return 0
    for asked in question.asked:
        try:
            with faults_told():
                row, why = ask(asked)
        except _TOLD as error:
            row, why = replace(asked, error=_sentence(error, question.memory_bytes)), ()
        _written(row, why, started, output)
        started = time.perf_counter()
    return 0


Answered = tuple[SweepRow, tuple[StaysRow, ...]]


def _captured(question: Question) -> Callable[[SweepRow], Answered]:
    """Capture the model, and give what answers each row."""
    with kept():
        from nnapi_check.analyzer.inputs.specification import demand_input
        from nnapi_check.coverage_db.targets import PerChannelChoice
        from nnapi_check.pipeline import Request, capture_model, check_captured, registry_of, unpickled_once
        from nnapi_check.progress import Progress
        from nnapi_check.reports.gating.gate import Gate

    quiet = Progress(is_quiet=True)
    shared = Request(
        gate=Gate(question.min_score, question.requires_ready, is_strict=question.is_strict),
        trust=question.trust,
        overlay=Path(question.overlay) if question.overlay else None,
        device=Path(question.device) if question.device else None,
        per_channel=PerChannelChoice(question.per_channel),
        extras=frozenset(),
        # An op that is defined by how it is called can be judged, and not run.
        stands_in=not question.converts,
    )
    registry = registry_of(shared)
    model, inputs = _model(question)
    model_bytes = _bytes_of(model)
    model = unpickled_once(model, trust=question.trust)
    stated = [demand_input(text) for text in question.inputs]
    call = inputs if inputs is not None else stated or None

    def captured() -> Captured:
        return capture_model(model, call, shared, registry, weights=question.converts)

    # A package is made of what was captured, so that each conversion takes its own.
    captures = chain([captured()], iter(captured, None)) if question.converts else repeat(captured())

    def answer(asked: SweepRow) -> Answered:
        request = replace(shared, feature_level=asked.feature_level, target=asked.target)
        checked = check_captured(next(captures), None, request, registry, quiet)
        row, report = replace(asked, model_bytes=model_bytes), checked.report
        if question.converts and report.misfit is None:
            report, seconds = _converted(checked, model, request)
            row = replace(row, convert_seconds=seconds)
        row = answered(row, report)
        return row, stays(row, report)

    return answer


def _converted(checked: Checked, model: Model, request: Request) -> tuple[ModelReport, float]:
    """The report on a model that was converted and run, and the seconds that both took. The file is not kept."""
    from nnapi_check.conversion import convert_checked
    from nnapi_check.progress import Progress

    started = time.perf_counter()
    with TemporaryDirectory() as folder:
        made = convert_checked((checked,), model, Path(folder) / "converted", request, Progress(is_quiet=True))
    return made.report, round(time.perf_counter() - started, 3)


class _Counted(io.BytesIO):
    """A file that only counts what is written to it."""

    size = 0

    def write(self, data: ReadableBuffer, /) -> int:
        given = memoryview(data).nbytes
        self.size += given
        return given


def _bytes_of(model: Model) -> int:
    """The size of a model's file, or of what a module would save."""
    if isinstance(model, Path):
        return model.stat().st_size
    import torch

    counted = _Counted()
    torch.save(model.state_dict(), counted)
    return counted.size


def _model(question: Question) -> tuple[Model, Inputs | None]:
    """The model's file, or what its builder makes: a module, alone or in a pair with its inputs."""
    if question.path:
        return Path(question.path), None
    import torch

    with code_of_users(f"Importing {question.module}"):
        module = importlib.import_module(question.module)
        function = getattr(module, question.function, None)
    if not callable(function):
        raise InputError(f"{question.module} has no function {question.function}.")
    with code_of_users(f"{question.module}:{question.function}"):
        made = function()
    built, inputs = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(built, torch.nn.Module):
        raise InputError(
            f"{question.module}:{question.function} gives no module, nor a pair of one and its inputs, but "
            f"{type(built).__name__}."
        )
    return built.eval(), inputs


def _written(row: SweepRow, why: tuple[StaysRow, ...], started: float, output: TextIO) -> None:
    measured = replace(
        row,
        seconds=round(time.perf_counter() - started - row.convert_seconds, 3),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    output.writelines(f"{line}\n" for line in answer_lines(measured, why))
    output.flush()


def _sentence(error: Exception, memory_bytes: int | None) -> str:
    words = str(error)
    if isinstance(error, MemoryError) or "allocate memory" in words:
        limit = "" if memory_bytes is None else f" of {memory_bytes / (1 << 30):g} GiB"
        return f"It needs more memory than its limit{limit}."
    return " ".join(words.split()) or type(error).__name__


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
