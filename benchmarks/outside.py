"""Check and convert models of other packages at feature levels 3, 5 and 8, and run what is written.

    python -m benchmarks.outside --lines found.jsonl                    what is installed; goes on where it was
    python -m benchmarks.outside --lines found.jsonl --only BERT        names that hold this; repeatable
    python -m benchmarks.outside --lines found.jsonl --again            try once more what was not kept
    python -m benchmarks.outside --lines found.jsonl --table --write    write the table into docs/outside.md

The packages are no dependencies of this project: install those that you want to see. Each model is made with random
weights in a process of its own, given as it is, and converted with no bound on its score; what is written runs in
PyTorch's own binding on the host runtime. Exit code 1: something was promised and not kept, or has no line yet.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import torch

import nnapi_check
from benchmarks.measured_page import added, kept_lines, row_options, said_when, words_of, write_page
from benchmarks.outside_models import SUBJECTS, Built, Subject, built
from benchmarks.processes import in_processes
from benchmarks.targets import obstacles

LEVELS = (3, 5, 8)
SECONDS = 1200
MEMORY_BYTES = 16 << 30
PAGE = Path(__file__).parent.parent / "docs" / "outside.md"


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


def tried(given: Built, name: str, level: int, folder: Path) -> Row:
    """Check a model at a level, convert it, run it, and tell."""
    module, inputs = given
    row = Row(name, level, date=datetime.now(UTC).date().isoformat())
    path = folder / f"{level}.pt"
    try:
        began = time.perf_counter()
        nnapi_check.check(module, inputs, feature_level=level)
        checked = time.perf_counter()
        report = nnapi_check.convert(module, path, inputs, feature_level=level, min_score=0)
        ended = time.perf_counter()
    except Exception as error:  # noqa: BLE001  # a row tells what went wrong, whatever it is
        return replace(row, fault=words_of(error))
    weights = sum(tensor.nbytes for tensor in chain(module.parameters(), module.buffers()))
    row = replace(
        row,
        verdict=report.readiness,
        score=round(report.score, 1),
        parts=len(report.parts),
        share=round(report.compute_coverage, 4),
        transposes=sum(part.transposes for part in report.parts),
        check_seconds=round(checked - began, 2),
        convert_seconds=round(ended - checked, 2),
        size=round((report.artifact_bytes or 0) / max(1, weights), 3),
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        obstacles=tuple(obstacles(report)),
    )
    found = report.verification
    if found is None:
        return replace(row, fault="" if report.score == 0 else "it was not converted")
    worst = max(found.outputs, key=lambda output: output.max_relative)
    row = replace(row, error=worst.max_relative, bound=worst.tolerance)
    return row if found.is_within_tolerance else replace(row, fault=f"off by {row.error} of the range")


def try_all(items: Sequence[tuple[Subject, tuple[int, ...]]], lines: Path) -> None:
    """Try each model in a process of its own, and write a line for each level as soon as it is done."""
    with tempfile.TemporaryDirectory() as folder:
        work = partial(_tried, folder=Path(folder), lines=lines)
        for ended in in_processes(list(items), work, 1, seconds=SECONDS, memory_bytes=MEMORY_BYTES):
            subject, levels = ended.item
            for level in levels[len(ended.lines) :]:
                death = f"took longer than {SECONDS} s" if ended.is_late else ended.death or "the process ended early"
                added(Row(subject.name, level, fault=death), lines)
                print(f"{subject.name} {level}: {death}", flush=True)


def _tried(item: tuple[Subject, tuple[int, ...]], folder: Path, lines: Path) -> Iterator[str]:
    warnings.simplefilter("ignore")
    subject, levels = item
    given = built(subject)
    for level in levels:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            row = tried(given, subject.name, level, Path(own))
        print(f"{row.name} {level}: {row.verdict} {row.score}, {row.parts} parts, {row.share:.1%}, {row.error} "
              f"{row.fault}", file=sys.stderr, flush=True)  # fmt: skip
        yield added(row, lines)


def read_rows(path: Path) -> dict[str, dict[int, Row]]:
    """What a file of lines tells of each model, by level; the last line counts."""
    found: dict[str, dict[int, Row]] = {}
    for told in kept_lines(path):
        row = Row(**told)
        found.setdefault(row.name, {})[row.level] = row
    return found


def left(wanted: Sequence[Subject], rows: Rows, *, again: bool = False) -> list[tuple[Subject, tuple[int, ...]]]:
    """The levels that have no row, and ``again`` those whose row tells of a fault."""

    def is_left(row: Row | None) -> bool:
        return row is None or (again and bool(row.fault))

    missing = [
        (subject, tuple(level for level in LEVELS if is_left(rows.get(subject.name, {}).get(level))))
        for subject in wanted
    ]
    return [(subject, levels) for subject, levels in missing if levels]


def table(rows: Rows, release: Callable[[str], str] = version) -> list[str]:
    """What was found as Markdown: when, of which ``release`` of each package, the table, and what stays on the CPU."""
    subjects = [subject for subject in SUBJECTS if subject.name in rows]
    if not subjects:
        return ["Nothing was tried yet."]
    found = [row for of_model in rows.values() for row in of_model.values()]
    packages = ", ".join(f"{name} {release(name)}" for name in sorted({subject.package for subject in subjects}))
    lines = [said_when(row.date for row in found), "", f"The packages are {packages}.", ""]
    titles = ("model", "package", "for", "level", "verdict", "score", "parts", "work", "TRANSPOSE", "error", "check, s",
              "convert, s", "size", "MiB")  # fmt: skip
    lines += [f"| {' | '.join(titles)} |", "| --- | --- | --- |" + " ---: |" + " --- |" + " ---: |" * 9]
    for subject in subjects:
        for levels, row in _alike(rows[subject.name]):
            lines.append(f"| {' | '.join([subject.name, subject.package, subject.task, levels, *_cells(row)])} |")
    return [*lines, "", *_said_of_all(rows), "", *_reasons(rows)]


def _alike(of_model: Mapping[int, Row]) -> Iterator[tuple[str, Row]]:
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


def _cells(row: Row) -> list[str]:
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


def _said_of_all(rows: Rows) -> Iterator[str]:
    for level in LEVELS:
        found = [of_model[level] for of_model in rows.values() if level in of_model]
        most = sum(row.share >= 0.99 for row in found)
        one = sum(row.parts == 1 for row in found)
        kept = sum(not row.fault for row in found)
        yield (
            f"- Level {level}: of {len(found)} models {most} have at least 99% of their multiply-adds on NNAPI, "
            f"{one} are one part, and of {kept} what was promised was kept."
        )


def _reasons(rows: Rows) -> Iterator[str]:
    """Why ops stay on the CPU at the highest level, each with the models that it is met in."""
    met: dict[str, list[str]] = {}
    for name, of_model in rows.items():
        for told in of_model[max(of_model)].obstacles:
            met.setdefault(told.partition(" ")[2], []).append(name)
    yield f"What stays on the CPU at level {LEVELS[-1]}, and why:"
    yield ""
    for reason, names in sorted(met.items(), key=lambda item: (-len(item[1]), item[0])):
        op, _, because = reason.partition(": ")
        yield f"- `{op}` ({', '.join(names)}): {because}"


def main(words: Sequence[str] | None = None) -> int:
    """Try what is left, and print the table."""
    given = row_options(__doc__, PAGE).parse_args(words)
    torch.set_num_threads(1)
    wanted = [subject for subject in SUBJECTS if not given.only or any(part in subject.name for part in given.only)]
    if not given.table:
        installed = [subject for subject in wanted if subject.is_installed]
        try_all(left(installed, read_rows(given.lines), again=given.again), given.lines)
    rows = read_rows(given.lines)
    lines = table(rows)
    print("\n".join(lines))
    if given.write:
        write_page(lines, PAGE)
    return 1 if left(wanted, rows, again=True) else 0


if __name__ == "__main__":
    sys.exit(main())
