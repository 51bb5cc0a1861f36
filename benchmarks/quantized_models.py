"""Convert torchvision's quantized models for each target and level, next to what PyTorch's own engines make of them.

    python -m benchmarks.quantized_models --lines found.jsonl                    every model; goes on where it was
    python -m benchmarks.quantized_models --lines found.jsonl --only resnet18    names that hold this; repeatable
    python -m benchmarks.quantized_models --lines found.jsonl --images 500       more images than those that have rows
    python -m benchmarks.quantized_models --lines found.jsonl --again            try once more what was not kept
    python -m benchmarks.quantized_models --lines found.jsonl --table --write    write the table into docs/quantized.md

Each model is made with random weights that tell (``settle`` in ``benchmarks/quantized_trials.py``), quantized and tried
in a process of its own: eagerly, in FX graph mode, and by PyTorch 2 Export, which needs torchao. One line of JSON tells
what became of it at each level. The exit code is 1 where anything was promised and not kept, or has no line yet.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.exported_flow import installed_flow
from benchmarks.measured_page import added, row_options, write_page
from benchmarks.processes import in_processes
from benchmarks.quantized_page import PAGE, table
from benchmarks.quantized_rows import Trial, left, line_of, read_rows, trials
from benchmarks.quantized_trials import blank, make, tried

SECONDS = 7200
MEMORY_BYTES = 16 << 30

Item = tuple[Trial, tuple[int, ...]]


def try_all(items: Sequence[Item], count: int, lines: Path) -> None:
    """Try each model in a process of its own, and write a line for each level as soon as it is done."""
    with tempfile.TemporaryDirectory() as folder:
        work = partial(_tried, count=count, folder=Path(folder), lines=lines)
        for ended in in_processes(list(items), work, 1, seconds=SECONDS, memory_bytes=MEMORY_BYTES):
            trial, levels = ended.item
            for level in levels[len(ended.lines) :]:
                death = f"took longer than {SECONDS} s" if ended.is_late else ended.death or "the process ended early"
                added(replace(blank(trial, level, count), fault=death), lines)
                print(f"{trial.name} {level}: {death}", flush=True)


def _tried(item: Item, count: int, folder: Path, lines: Path) -> Iterator[str]:
    warnings.simplefilter("ignore")
    trial, levels = item
    with tempfile.TemporaryDirectory(dir=folder) as own:
        made = make(trial.case, count, Path(own), installed_flow())
        for row in tried(made, trial.target, levels):
            print(line_of(row), file=sys.stderr, flush=True)
            yield added(row, lines)


def main(words: Sequence[str] | None = None) -> int:
    """Try what is left, and print the table."""
    parser = row_options(__doc__, PAGE)
    parser.add_argument("--images", type=int, default=32, help="the images that each model is run on")
    given = parser.parse_args(words)
    wanted = trials(given.only)
    if not given.table:
        try_all(left(wanted, read_rows(given.lines), given.images, again=given.again), given.images, given.lines)
    rows = {trial: found for trial, found in read_rows(given.lines).items() if trial in wanted}
    lines = table(rows, wanted)
    print("\n".join(lines))
    if given.write:
        write_page(lines, PAGE)
    return 1 if left(wanted, rows, 0, again=True) else 0


if __name__ == "__main__":
    sys.exit(main())
