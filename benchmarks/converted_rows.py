"""What a check, a conversion and its run told of models at levels, and the cells and counts that pages have of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

WHOLE = 0.99
"""The share of the multiply-adds from which a model counts as being on NNAPI."""
TITLES = ("level", "verdict", "score", "parts", "work", "TRANSPOSE", "error", "check, s", "convert, s", "size", "MiB")
MARKS = " ---: | --- |" + " ---: |" * 9
"""How the columns of ``TITLES`` are aligned, for Markdown."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a model at a feature level.

    ``share`` is that of the multiply-adds on NNAPI, ``error`` the greatest of the output's range, held to ``bound``;
    ``size`` is the file's beside the weights', ``peak`` the most memory of the process in MiB. ``obstacles`` are the
    ops that stay on the CPU, with the reasons. ``fault`` is empty where what was promised was kept.
    """

    name: str
    level: int
    verdict: str = ""
    score: float = 0.0
    parts: int = 0
    share: float = 0.0
    transposes: int = 0
    error: float | None = None
    bound: float | None = None
    check_seconds: float = 0.0
    convert_seconds: float = 0.0
    size: float = 0.0
    peak: int = 0
    obstacles: tuple[str, ...] = ()
    date: str = ""
    fault: str = ""


Rows = Mapping[str, Mapping[int, Row]]


def alike(of_model: Mapping[int, Row]) -> Iterator[tuple[str, Row]]:
    """The rows that say the same of several levels together, by the greatest of their errors and times."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for _, row in sorted(of_model.items()):
        groups.setdefault((row.verdict, row.score, row.parts, row.share, row.transposes, row.fault), []).append(row)
    for group in groups.values():
        worst = replace(
            group[0],
            error=max((row.error for row in group if row.error is not None), default=None),
            check_seconds=max(row.check_seconds for row in group),
            convert_seconds=max(row.convert_seconds for row in group),
            size=max(row.size for row in group),
            peak=max(row.peak for row in group),
        )
        yield ", ".join(str(row.level) for row in group), worst


def cells(row: Row) -> list[str]:
    """The cells of a row, in the order of ``TITLES`` without the level."""
    error = "" if row.error is None else f"{row.error:.0e}"
    if row.fault:
        return [f"**{row.verdict or 'no answer'}: {row.fault}**", *[""] * 9]
    return [
        row.verdict,
        f"{row.score:.1f}",
        str(row.parts),
        f"{row.share:.1%}",
        str(row.transposes),
        error,
        f"{row.check_seconds:.1f}",
        f"{row.convert_seconds:.1f}",
        f"{row.size:.2f}",
        str(row.peak),
    ]


def said_of_all(rows: Rows) -> Iterator[str]:
    """How many models are on NNAPI, are one part, and keep what was promised, a line for each level."""
    for level in sorted({level for of_model in rows.values() for level in of_model}):
        found = [of_model[level] for of_model in rows.values() if level in of_model]
        most = sum(row.share >= WHOLE for row in found)
        one = sum(row.parts == 1 for row in found)
        ready = sum(row.verdict == "ready" for row in found)
        kept = sum(not row.fault for row in found)
        yield (
            f"- Level {level}: of {len(found)} models {most} have at least {WHOLE:.0%} of their multiply-adds on "
            f"NNAPI, {one} are one part, {ready} leave nothing to the CPU, and of {kept} what was promised was kept."
        )


def reasons(rows: Rows) -> Iterator[str]:
    """Why ops stay on the CPU at the highest level, each with the models that it is met in."""
    met: dict[str, list[str]] = {}
    for name, of_model in rows.items():
        for told in of_model[max(of_model)].obstacles:
            met.setdefault(told.partition(" ")[2], []).append(name)
    level = max(level for of_model in rows.values() for level in of_model)
    if not met:
        yield f"Nothing stays on the CPU at level {level}."
        return
    yield f"What stays on the CPU at level {level}, and why:"
    yield ""
    for reason, names in sorted(met.items(), key=lambda item: (-len(item[1]), item[0])):
        op, _, because = reason.partition(": ")
        yield f"- `{op}` ({', '.join(names)}): {because}"
