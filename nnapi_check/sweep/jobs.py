"""What a model's process is asked, and what it answers: lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from nnapi_check.reports.many.rows import StaysRow, SweepRow

ROW, STAYS = "row", "stays"


@dataclass(frozen=True, slots=True)
class Question:
    """One model, what is asked of it, and its limits.

    ``path`` is the model's file, or empty where ``module`` and ``function`` build it. ``asked`` are the rows that are
    wanted, without answers. With ``converts`` the model is also converted, and what was written is run. ``processors``
    are the threads that PyTorch may use.
    """

    subject: str
    path: str
    module: str
    function: str
    asked: tuple[SweepRow, ...]
    inputs: tuple[str, ...]
    trust: bool
    overlay: str
    device: str
    per_channel: str
    min_score: float | None
    requires_ready: bool
    is_strict: bool
    converts: bool
    seconds: float
    memory_bytes: int | None
    processors: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one model, each with its answer or its error, and why ops of it stay on the CPU."""

    rows: tuple[SweepRow, ...]
    stays: tuple[StaysRow, ...]


def question_text(question: Question) -> str:
    """A question as JSON."""
    return json.dumps(asdict(question))


def read_question(text: str) -> Question:
    """The question that ``question_text`` wrote."""
    found = json.loads(text)
    asked = tuple(SweepRow(**row) for row in found["asked"])
    return Question(**{**found, "asked": asked, "inputs": tuple(found["inputs"])})


def answer_lines(row: SweepRow, stays: tuple[StaysRow, ...]) -> Iterator[str]:
    """The answer at one level as lines of JSON."""
    yield json.dumps({ROW: asdict(row)})
    for found in stays:
        yield json.dumps({STAYS: asdict(found)})


def read_answer(text: str) -> Answer:
    """The answer in lines, of which the last may be cut where the process was ended."""
    rows, stays = [], []
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if ROW in found:
            rows.append(SweepRow(**found[ROW]))
        else:
            stays.append(StaysRow(**found[STAYS]))
    return Answer(tuple(rows), tuple(stays))
