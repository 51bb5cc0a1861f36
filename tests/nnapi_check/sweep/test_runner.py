"""Run the processes of many models, some at a time."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from nnapi_check.reports.many.rows import SweepRow
from nnapi_check.sweep.jobs import Answer, Question
from nnapi_check.sweep.runner import Place, Processes, answers


class OneAtATime(Executor):
    """Answers the first call at once and leaves the rest waiting, and is shut down as a cluster's executor is."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []
        self.is_shut = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.futures:
            future.set_result(fn(*args, **kwargs))
        self.futures.append(future)
        return future

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]  # Dask's knows no more
        self.is_shut = not wait


def test_what_waits_is_not_begun_where_the_caller_stops() -> None:
    executor = OneAtATime()
    ended: list[int] = []

    coming = answers(
        [_question("a"), _question("b"), _question("c")], Place(executor, _answer, lambda: ended.append(1))
    )
    asked, _ = next(coming)
    coming.close()

    assert asked == _question("a")
    assert [future.cancelled() for future in executor.futures] == [False, True, True]
    assert executor.is_shut
    assert ended == [1]


def test_a_process_that_starts_while_the_rest_is_ended_is_ended_too() -> None:
    processes = Processes()
    processes.end()

    answer = processes.ask(_question("a"))

    assert [row.error for row in answer.rows] == ["Its process ended with code -9."]


def _question(subject: str) -> Question:
    return Question(
        subject=subject,
        path=f"{subject}.pt",
        module="",
        function="",
        asked=(SweepRow(subject, "ndk", 3, "identity", "version", "version", finished=""),),
        inputs=(),
        trust=False,
        overlay="",
        device="",
        per_channel="split",
        min_score=None,
        requires_ready=False,
        is_strict=False,
        converts=False,
        seconds=60.0,
        memory_bytes=None,
        processors=1,
    )


def _answer(asked: Question) -> Answer:
    return Answer((), ())
