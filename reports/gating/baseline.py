"""An earlier report as a baseline: what is kept of it, and how a new one compares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.coverage_db.cards import Status
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import as_far_as_known
from nnapi_check.reports.views import ChangeView, ComparisonView, ModelReport, WorkView

BETTER, WORSE, SAME = "better", "worse", "same"
_BEST_FIRST = [
    kind.value
    for kind in (
        Readiness.READY,
        Readiness.READY_WITH_FALLBACK,
        Readiness.NOT_WORTHWHILE,
        Readiness.UNSUPPORTED,
        Readiness.DOES_NOT_FIT,
    )
]
_GROWTH = 1.01
"""A file may grow by this factor before that is worse: names and other texts change its size a little."""
_NEVER = 99
"""Stands behind every feature level, where a model is ready at none."""

Stays = tuple[str, str, str]
"""Why ops stay on the CPU: the op, the reason's code, and the requirement."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is compared of a report, and what gates ask for.

    ``is_carried`` is whether the target carries the model at this level, ``unknown_ops`` are those of which nothing is
    known, ``stays`` counts the places of each reason for which ops stay on the CPU, and ``uncounted`` the ops whose
    multiply-adds are not known: shares are then the most that they can be.
    """

    target: str
    feature_level: int
    tool_version: str
    torch_version: str
    readiness: str
    is_carried: bool
    score: float
    compute_share: float
    integer_share: float
    parts: int
    cpu_ops: int
    lowest_ready_level: int | None
    unknown_ops: tuple[str, ...]
    stays: tuple[tuple[Stays, int], ...]
    is_within_tolerance: bool | None
    artifact_bytes: int | None
    uncounted: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """The facts of an earlier report, and its file."""

    name: str
    facts: Facts


def readiness_words() -> Sequence[str]:
    """The verdicts in words, the best first."""
    return _BEST_FIRST


def facts_of(report: ModelReport) -> Facts:
    """What is compared of a report."""
    stays: dict[Stays, int] = {}
    for blocker in report.blockers:
        if not blocker.is_alternative:
            key = (blocker.op, blocker.reason, blocker.requirement)
            stays[key] = stays.get(key, 0) + len(blocker.places)
    checked = report.verification
    return Facts(
        target=report.target,
        feature_level=report.feature_level,
        tool_version=report.tool_version,
        torch_version=report.torch_version,
        readiness=report.readiness,
        is_carried=report.misfit is None,
        score=report.score,
        compute_share=report.compute_coverage,
        integer_share=integer_share(report.work),
        parts=len(report.parts),
        cpu_ops=report.nodes_total - report.nodes_on_nnapi,
        lowest_ready_level=report.lowest_ready_level,
        unknown_ops=tuple(sorted({node.op for node in report.nodes if node.status == Status.UNKNOWN.value})),
        stays=tuple(sorted(stays.items())),
        is_within_tolerance=None if checked is None else checked.is_within_tolerance,
        artifact_bytes=report.artifact_bytes,
        uncounted=report.uncounted,
    )


def integer_share(work: WorkView) -> float:
    """How much of all multiply-adds NNAPI computes in integers."""
    total = work.integers + work.floats + work.cpu
    return work.integers / total if total else 0.0


def compared(report: ModelReport, baseline: Baseline) -> ComparisonView:
    """How a report compares with its baseline. Raises ``InputError`` where that is for another target or level."""
    before, after = baseline.facts, facts_of(report)
    for what, old, new in (
        ("target", before.target, after.target),
        ("feature level", str(before.feature_level), str(after.feature_level)),
    ):
        if old != new:
            raise InputError(
                f"{baseline.name} is a report for {what} {old}, and this one is for {new}: compare like with like, or "
                "write a new baseline by --output json=FILE."
            )
    changes = (*_changes(before, after), *_stays(before, after))
    return ComparisonView(baseline.name, before.tool_version, before.torch_version, changes)


def worsened(comparison: ComparisonView) -> tuple[str, ...]:
    """What is worse than the baseline, a sentence each."""
    return tuple(
        f"Worse than the baseline: {change.what}, {change.before} before and {change.after} now."
        for change in comparison.changes
        if change.effect == WORSE
    )


def _changes(before: Facts, after: Facts) -> Iterator[ChangeView]:
    old, new = _BEST_FIRST.index(before.readiness), _BEST_FIRST.index(after.readiness)
    yield ChangeView("verdict", before.readiness, after.readiness, _effect(new - old))
    yield _points("score", before.score, after.score)
    yield _share("work on NNAPI", before, after, before.compute_share, after.compute_share)
    if before.integer_share or after.integer_share:
        yield _share("work in integers", before, after, before.integer_share, after.integer_share)
    # Nothing on NNAPI makes no parts, which is not the best of numbers; the verdict tells that.
    is_counted = before.parts and after.parts
    yield ChangeView(
        "parts", str(before.parts), str(after.parts), _effect(after.parts - before.parts) if is_counted else SAME
    )
    yield ChangeView("ops on the CPU", str(before.cpu_ops), str(after.cpu_ops), _effect(after.cpu_ops - before.cpu_ops))
    old_level, new_level = before.lowest_ready_level, after.lowest_ready_level
    yield ChangeView(
        "ready from feature level",
        _level_words(old_level),
        _level_words(new_level),
        _effect(_rank(new_level) - _rank(old_level)),
    )
    old_numbers, new_numbers = before.is_within_tolerance, after.is_within_tolerance
    if old_numbers is not None and new_numbers is not None:
        effect = _effect(int(old_numbers) - int(new_numbers))
        yield ChangeView("numbers", _numbers_words(old_numbers), _numbers_words(new_numbers), effect)
    if before.artifact_bytes is not None and after.artifact_bytes is not None:
        growth = after.artifact_bytes / max(before.artifact_bytes, 1)
        effect = WORSE if growth > _GROWTH else BETTER if growth < 1 / _GROWTH else SAME
        yield ChangeView("bytes of the file", f"{before.artifact_bytes:,}", f"{after.artifact_bytes:,}", effect)


def _stays(before: Facts, after: Facts) -> Iterator[ChangeView]:
    old, new = dict(before.stays), dict(after.stays)
    for key in sorted({*old, *new}):
        was, now = old.get(key, 0), new.get(key, 0)
        if was != now:
            op, reason, requirement = key
            what = f"places where {op} stays on the CPU ({', '.join(part for part in (reason, requirement) if part)})"
            yield ChangeView(what, str(was), str(now), _effect(now - was))


def _points(what: str, before: float, after: float) -> ChangeView:
    """What is counted in points, of which those that are shown count."""
    old, new = shown_score(before), shown_score(after)
    return ChangeView(what, old, new, _effect(float(old) - float(new)))


def _share(what: str, before: Facts, after: Facts, old: float, new: float) -> ChangeView:
    """A share of the work, of which those percents that are shown count. One that is not known is worse than any."""
    loss = float(shown_score(100 * old)) - float(shown_score(100 * new))
    if bool(before.uncounted) != bool(after.uncounted):
        loss = after.uncounted - before.uncounted
    return ChangeView(what, share_words(old, before.uncounted), share_words(new, after.uncounted), _effect(loss))


def share_words(share: float, uncounted: int) -> str:
    """A share of the work in percent, as far as it is known. Rounded down, it does not look like what is asked for."""
    return as_far_as_known(f"{shown_score(100 * share)}%", share, uncounted=uncounted)


def _effect(loss: float) -> str:
    return SAME if loss == 0 else WORSE if loss > 0 else BETTER


def _level_words(level: int | None) -> str:
    return "none" if level is None else str(level)


def _numbers_words(is_within: bool) -> str:
    return "within tolerance" if is_within else "out of tolerance"


def _rank(level: int | None) -> int:
    return level if level is not None else _NEVER
