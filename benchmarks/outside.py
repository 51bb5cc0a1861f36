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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import torch

import nnapi_check
from benchmarks.converted_rows import MARKS, TITLES, Row, Rows, alike, cells, reasons, said_of_all
from benchmarks.measured_page import added, kept_lines, row_options, said_when, words_of, write_page
from benchmarks.outside_models import SUBJECTS, Built, Subject, built
from benchmarks.processes import in_processes
from benchmarks.targets import obstacles

LEVELS = (3, 5, 8)
SECONDS = 1200
MEMORY_BYTES = 16 << 30
PAGE = Path(__file__).parent.parent / "docs" / "outside.md"


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
    lines += [f"| {' | '.join(('model', 'package', 'for', *TITLES))} |", f"| --- | --- | --- |{MARKS}"]
    for subject in subjects:
        for levels, row in alike(rows[subject.name]):
            lines.append(f"| {' | '.join([subject.name, subject.package, subject.task, levels, *cells(row)])} |")
    return [*lines, "", *said_of_all(rows), "", *reasons(rows)]


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
