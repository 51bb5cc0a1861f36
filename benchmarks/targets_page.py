"""What became of torchvision's classifiers for each target, as the table of docs/targets.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from benchmarks.measured_page import said_when
from benchmarks.target_rows import CASES, LEVELS, Case, Row
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE, target_called
from nnapi_check.lowering.verification.approximation import FLOAT_TOLERANCE

PAGE = Path(__file__).parent.parent / "docs" / "targets.md"

_LEVEL = re.compile(r"This way needs (?P<operations>[A-Z0-9_, ]+) as feature level (?P<level>\d+) has it\.")
_OBSTACLE = re.compile(r"\d+ (?P<op>[^:]+): (?P<because>.*)")

Rows = Mapping[str, Mapping[Case, Row]]


def table(rows: Rows, names: Sequence[str]) -> list[str]:
    """What was found as Markdown: when, the table, the reasons for each no, and what is still to be tried."""
    found = [row for of_model in rows.values() for row in of_model.values()]
    if not found:
        return ["Nothing was tried yet."]
    shown = [case for case in CASES if case.level >= target_called(case.target).lowest_level]
    reasons = _Reasons(found)
    titles = [f"{'ndk' if case.target == NDK else 'mobile'} {case.level}" for case in shown]
    lines = [
        said_when(row.date for row in found),
        "",
        f"| model | image | {' | '.join(titles)} |",
        "|" + " --- |" * (len(shown) + 2),
    ]
    for name in sorted(rows):
        of_model = rows[name]
        one = next(iter(of_model.values()))
        cells = [_cell(of_model.get(case), reasons) for case in shown]
        lines.append(f"| {name} | {one.height}x{one.width} | {' | '.join(cells)} |")
    missing = [name for name in names if len(rows.get(name, {})) < len(CASES)]
    return [*lines, "", *reasons.told(), "", *_said_of_all(found, missing, len(names))]


def _cell(row: Row | None, reasons: _Reasons) -> str:
    if row is None:
        return "not tried"
    if row.fault:
        return f"**fails**: {row.fault}"
    if row.error is None:
        return f"no: {', '.join(reasons.letters(row))}"
    # The bound of most is that of rounding, which the page tells once.
    bound = "" if row.bound is None or row.bound < 1.995 * FLOAT_TOLERANCE else f" of {row.bound:.0e}"
    parts = "" if row.parts == 1 else f", {row.parts} parts, {row.share:.1%}"
    return f"{row.error:.0e}{bound}{parts}"


def _said_of_all(rows: Sequence[Row], missing: Sequence[str], total: int) -> Iterator[str]:
    below = [row for row in rows if row.target == PYTORCH_MOBILE and row.level < min_level()]
    named = sum(1 for row in below if not row.fault)
    ran = [row for row in rows if row.error is not None]
    good = sum(1 for row in ran if not row.fault)
    yield f"- Of {len(ran)} conversions that were promised, {good} gave the numbers of PyTorch on the host runtime."
    yield (
        f"- In {named} of {len(below)} checks for PyTorch Mobile at the levels {_levels_below()} the verdict said that "
        "the target does not fit, and named `--target ndk`, or the level from which that holds the model."
    )
    spread = min((row.spread for row in ran), default=0.0)
    values = min((row.values for row in ran), default=0)
    yield (
        f"- Every output has {values} different values at least, and another image changes it by {spread:.0%} of its "
        "range at least."
    )
    if missing:
        yield f"- Not tried yet at every level: {len(missing)} of {total} models, {', '.join(sorted(missing))}."


def min_level() -> int:
    """The lowest feature level of PyTorch Mobile."""
    return target_called(PYTORCH_MOBILE).lowest_level


def _levels_below() -> str:
    return " and ".join(str(level) for level in LEVELS if level < min_level())


class _Reasons:
    """The reasons for each no under a letter, operations of one level together."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._ops: dict[str, set[str]] = {}
        self._operations: dict[str, set[str]] = {}
        for row in sorted(rows, key=lambda row: (row.model, row.level)):
            if row.target == NDK and row.error is None and not row.fault:
                for obstacle in row.obstacles:
                    self._take(obstacle)
        numbers = count()
        self._letters = {reason: _letter(next(numbers)) for reason in self._ops}

    def letters(self, row: Row) -> list[str]:
        """The letters of a row's reasons."""
        found = (_reason_of(obstacle)[0] for obstacle in row.obstacles)
        return sorted({self._letters[reason] for reason in found if reason in self._letters})

    def told(self) -> Iterator[str]:
        """Each letter with what it stands for."""
        for reason, letter in self._letters.items():
            operations = sorted(self._operations[reason])
            words = f"{reason}: {', '.join(operations)}." if operations else reason
            yield f"- {letter}: {words} In the way of {', '.join(f'`{op}`' for op in sorted(self._ops[reason]))}."

    def _take(self, obstacle: str) -> None:
        reason, op, operations = _reason_of(obstacle)
        self._ops.setdefault(reason, set()).add(op)
        self._operations.setdefault(reason, set()).update(operations)


def _reason_of(obstacle: str) -> tuple[str, str, tuple[str, ...]]:
    """The reason that an obstacle counts to, its op, and the operations that it names."""
    parts = _OBSTACLE.fullmatch(obstacle)
    op, because = (parts["op"], parts["because"]) if parts else ("", obstacle)
    level = _LEVEL.fullmatch(because)
    if level is None:
        return because, op, ()
    return f"Operations as feature level {level['level']} has them", op, tuple(level["operations"].split(", "))


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else f"a{number}"
