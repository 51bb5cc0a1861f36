"""What became of a model at a target and level: a line of JSON in a file that is added to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured_page import kept_lines
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE

LEVELS = (1, 2, 3, 5, 8)
TARGETS = (NDK, PYTORCH_MOBILE)


@dataclass(frozen=True, slots=True)
class Case:
    """A target at a feature level."""

    target: str
    level: int


CASES = tuple(Case(target, level) for target in TARGETS for level in LEVELS)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a model at a target and level.

    ``share`` is that of the multiply-adds on NNAPI. ``error`` and ``bound`` are shares of the output's range, None
    where nothing was converted; an error that ``is_beyond`` its bound is held to what rounding does to PyTorch's own
    outputs. ``misfit`` and ``fix`` are the words of a verdict that the target does not fit, ``obstacles`` the ops in
    its way with what their cards say. ``fault`` is empty where what was promised was kept.
    """

    model: str
    target: str
    level: int
    height: int
    width: int
    values: int
    spread: float
    verdict: str = ""
    score: float = 0.0
    parts: int = 0
    share: float = 0.0
    transposes: int = 0
    error: float | None = None
    bound: float | None = None
    is_beyond: bool = False
    executions: int = 0
    ran_in: str = ""
    misfit: str = ""
    fix: str = ""
    obstacles: tuple[str, ...] = ()
    seconds: float = 0.0
    date: str = ""
    fault: str = ""

    @property
    def case(self) -> Case:
        """Where it is of."""
        return Case(self.target, self.level)


def read_rows(path: Path) -> dict[str, dict[Case, Row]]:
    """What a file of lines tells of each model; the last line of a case counts."""
    found: dict[str, dict[Case, Row]] = {}
    for told in kept_lines(path):
        row = Row(**told)
        found.setdefault(row.model, {})[row.case] = row
    return found


def left(
    names: Sequence[str], rows: Mapping[str, Mapping[Case, Row]], *, again: bool
) -> list[tuple[str, tuple[Case, ...]]]:
    """What is still to be tried: what has no line, and ``again`` what has one that tells of a fault."""

    def is_left(name: str, case: Case) -> bool:
        row = rows.get(name, {}).get(case)
        return row is None or (again and bool(row.fault))

    missing = [(name, tuple(case for case in CASES if is_left(name, case))) for name in names]
    return [(name, cases) for name, cases in missing if cases]


def line_of(row: Row) -> str:
    """A row as one line of words."""
    error = "" if row.error is None else f", {row.error:.1e} of {row.bound:.1e}"
    told = f"{row.model} {row.height}x{row.width}, {row.target} {row.level}: {row.verdict}, score {row.score:.1f}"
    where = f", {row.parts} parts, {row.share:.1%}{error}, {row.seconds:.1f} s"
    return told + where + (f"\n    -> {row.fault}" if row.fault else "")
