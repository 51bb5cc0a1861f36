"""From the options of a sweep to one question for each model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.levels import api_to_feature_level, check_feature_level
from nnapi_check.reports.many.rows import SweepRow
from nnapi_check.sweep.jobs import Question
from nnapi_check.sweep.subjects import Builder, ModelFile, Subject
from nnapi_check.versions import tool_version, torch_version


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of every model of a sweep, and the limits of each.

    ``seconds`` and ``memory_bytes`` bound the process of one model, ``jobs`` is how many run at a time.
    """

    feature_levels: tuple[int, ...]
    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    trust: bool
    overlay: Path | None
    device: Path | None
    per_channel: str
    min_score: float | None
    requires_ready: bool
    is_strict: bool
    converts: bool
    seconds: float
    memory_bytes: int | None
    jobs: int


def levels_of(api_levels: Sequence[int], feature_levels: Sequence[int]) -> tuple[int, ...]:
    """The feature levels that are asked for, by either count, each once. Raises ``LevelError``."""
    found = [*map(api_to_feature_level, api_levels), *map(check_feature_level, feature_levels)]
    return tuple(dict.fromkeys(found))


def asked_of(subject: Subject, wish: Wish) -> tuple[SweepRow, ...]:
    """The rows that are wanted of a model, without answers."""
    identity = _identity(subject, wish)
    return tuple(
        SweepRow(subject.name, target, level, identity, tool_version(), torch_version(), finished="")
        for target in wish.targets
        for level in wish.feature_levels
    )


def question(subject: Subject, asked: tuple[SweepRow, ...], wish: Wish) -> Question:
    """What a model's process is asked."""
    match subject:
        case ModelFile(path):
            place = (str(path), "", "")
        case Builder(module, function):
            place = ("", module, function)
    return Question(
        subject.name,
        *place,
        asked=asked,
        inputs=wish.inputs,
        trust=wish.trust,
        overlay=_text(wish.overlay),
        device=_text(wish.device),
        per_channel=wish.per_channel,
        min_score=wish.min_score,
        requires_ready=wish.requires_ready,
        is_strict=wish.is_strict,
        converts=wish.converts,
        seconds=wish.seconds,
        memory_bytes=wish.memory_bytes,
        processors=max(1, (os.cpu_count() or 1) // wish.jobs),
    )


def _identity(subject: Subject, wish: Wish) -> str:
    """Tells a model from what it was before, as far as that shows: of a builder's code nothing is known."""
    what = [
        wish.inputs,
        wish.trust,
        wish.per_channel,
        wish.min_score,
        wish.requires_ready,
        wish.is_strict,
        wish.converts,
    ]
    files = [wish.overlay, wish.device, subject.path if isinstance(subject, ModelFile) else None]
    for path in files:
        found = None if path is None else path.stat()
        what.append(None if found is None else (found.st_size, found.st_mtime_ns))
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)
