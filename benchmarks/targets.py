"""Convert torchvision's classifiers for each target at each level, and run what is written at that level's functions.

    python -m benchmarks.targets --lines found.jsonl                   every builder; stopped, it goes on where it was
    python -m benchmarks.targets --lines found.jsonl --only resnet     builders whose names hold this; repeatable
    python -m benchmarks.targets --lines found.jsonl --again           try once more what was not kept
    python -m benchmarks.targets --lines found.jsonl --table           only print the table of what   was found
    python -m benchmarks.targets --lines found.jsonl --table --write   write it into docs/targets.md

Each model is made with random weights (``benchmarks/classifiers.py``) and tried in a process of its own, small ones
first: one line of JSON for each target and level. A target that does not reach a level is only checked, and its verdict
must name the one that does. Some gigabytes are written and read again, so ``TMPDIR=/dev/shm`` is quicker. The exit code
is 1 where anything was promised and not kept, or a case has no line yet.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks.classifiers import Telling, builders, classifier, image, image_size, telling
from benchmarks.measured_page import added, row_options, words_of, write_page
from benchmarks.processes import in_processes
from benchmarks.target_rows import Case, Row, left, line_of, read_rows
from benchmarks.targets_page import PAGE, table
from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.conversion import convert_model
from nnapi_check.coverage_db.targets import NDK, target_called
from nnapi_check.lowering.verification.verify import Verification
from nnapi_check.pipeline import Request
from nnapi_check.progress import Progress
from nnapi_check.reports.views import ModelReport

SECONDS = 3600
MEMORY_BYTES = 20 << 30


def tried(name: str, cases: Sequence[Case], folder: Path) -> Iterator[Row]:
    """Make a model, and try it in each case. Files are written into a folder."""
    warnings.simplefilter("ignore")
    module = classifier(name)
    found = telling(module, name)
    path = folder / "model.pt"
    with torch.no_grad():
        traced = torch.jit.trace(module, image(name), check_trace=False)  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(traced, str(path))
    del module, traced
    for case in cases:
        yield tried_file(name, path, case, found)


def tried_file(name: str, path: Path, case: Case, found: Telling) -> Row:
    """Convert a saved model for a target at a level, run it, and tell."""
    started = time.perf_counter()
    height, width = image_size(name)
    row = Row(name, case.target, case.level, height, width, found.values, found.spread)
    request = Request(feature_level=case.level, target=case.target)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            made = convert_model(path, [image(name)], Path(folder) / "converted", request, Progress(is_quiet=True))
        except Exception as error:  # noqa: BLE001  # a row tells what went wrong, whatever it is
            row = replace(row, fault=words_of(error))
        else:
            row = _told(row, made.report, made.verification)
    seconds = round(time.perf_counter() - started, 2)
    return replace(row, seconds=seconds, date=datetime.now(UTC).date().isoformat())


def _told(row: Row, report: ModelReport, found: Verification | None) -> Row:
    row = replace(
        row,
        verdict=report.readiness,
        score=round(report.score, 2),
        parts=len(report.parts),
        share=round(report.compute_coverage, 4),
        transposes=sum(part.transposes for part in report.parts),
    )
    if report.misfit is not None:
        row = replace(row, misfit=report.misfit.because, fix=report.misfit.fix, obstacles=tuple(obstacles(report)))
    if found is None:
        return replace(row, fault=_fault_of_refusal(row))
    numbers = found.outputs[0]
    row = replace(
        row,
        error=numbers.max_relative,
        bound=numbers.tolerance,
        is_beyond=numbers.max_relative > numbers.tolerance,
        executions=found.executions,
        ran_in=found.ran_in,
    )
    return replace(row, fault=_fault_of_conversion(row, found))


def obstacles(report: ModelReport) -> Iterator[str]:
    """What keeps ops on the CPU, most often met first: how often, which op, and why."""
    found = Counter[str]()
    for blocker in report.blockers:
        if not blocker.is_alternative:
            found[f"{blocker.op}: {blocker.because}"] += len(blocker.places)
    yield from (f"{count} {words}" for words, count in found.most_common())


def _fault_of_refusal(row: Row) -> str:
    if row.verdict != Readiness.DOES_NOT_FIT.value:
        return f"not converted, though it is {row.verdict}"
    if row.level < target_called(row.target).lowest_level and NDK not in row.fix:
        return "the verdict does not name the target that reaches this level"
    return ""


def _fault_of_conversion(row: Row, found: Verification) -> str:
    if not found.is_within_tolerance:
        return f"off by {row.error} of the range, at most {row.bound} is allowed"
    if "on the host runtime" not in found.ran_in:
        return f"ran in {found.ran_in}"
    if found.executions != row.parts:
        return f"{found.executions} of {row.parts} NNAPI models ran"
    if not Telling(row.values, row.spread).is_enough:
        return f"the output has {row.values} values, and another image changes {row.spread} of its range"
    return ""


def try_all(items: Sequence[tuple[str, tuple[Case, ...]]], lines: Path) -> None:
    """Try each model in a process of its own, and write a line for each case as soon as it is done.

    Where a process dies, the case that it was at has a line that tells so, and the rest is tried in another.
    """
    waiting = list(items)
    while waiting:
        name, cases = waiting.pop(0)
        # What a process leaves that dies goes as well.
        with tempfile.TemporaryDirectory() as folder:
            rows = list(_tried_apart(name, cases, Path(folder), lines))
        if len(rows) < len(cases):
            waiting.insert(0, (name, cases[len(rows) :]))
        for row in rows:
            print(line_of(row), flush=True)


def _tried_apart(name: str, cases: Sequence[Case], folder: Path, lines: Path) -> Iterator[Row]:
    """The rows of cases up to the one that their process died at."""

    def work(cases: Sequence[Case]) -> Iterator[str]:
        for row in tried(name, cases, folder):
            yield added(row, lines)

    for ended in in_processes([cases], work, 1, seconds=SECONDS, memory_bytes=MEMORY_BYTES):
        yield from (Row(**json.loads(line)) for line in ended.lines)
        for case in cases[len(ended.lines) :][:1]:
            height, width = image_size(name)
            death = f"took longer than {SECONDS} s" if ended.is_late else ended.death or "the process ended early"
            died = Row(name, case.target, case.level, height, width, 0, 0.0, fault=death)
            added(died, lines)
            yield died


def main(words: Sequence[str] | None = None) -> int:
    """Try what is left, and print the table."""
    given = row_options(__doc__, PAGE).parse_args(words)
    names = [name for name in builders() if not given.only or any(part in name for part in given.only)]
    if not given.table:
        try_all(left(names, read_rows(given.lines), again=given.again), given.lines)
    rows = {name: found for name, found in read_rows(given.lines).items() if name in names}
    lines = table(rows, names)
    print("\n".join(lines))
    if given.write:
        write_page(lines, PAGE)
    return 1 if left(names, rows, again=True) else 0


if __name__ == "__main__":
    sys.exit(main())
