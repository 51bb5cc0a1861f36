"""What a sweep that converts says of every model of torchvision, as the table of docs/zoo.md.

    make zoo
    python -m benchmarks.zoo_page demo/zoo.db

It reads what the sweep has kept, and puts its table in the page's place for it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks import zoo
from benchmarks.converted_rows import MARKS, TITLES, Row, alike, cells, reasons, said_of_all
from benchmarks.measured_page import said_when, write_page
from nnapi_check.reports.many.rows import StaysRow, SweepRow, failure_words
from nnapi_check.sweep.store import opened

PAGE = Path(__file__).parent.parent / "docs" / "zoo.md"


def table(rows: Sequence[SweepRow], stays: Sequence[StaysRow], builders: Sequence[str]) -> list[str]:
    """What was found as Markdown: when, the table, counts, which of the builders are left, and what the CPU keeps."""
    obstacles: dict[tuple[str, int], list[str]] = defaultdict(list)
    for stay in stays:
        obstacles[stay.subject, stay.feature_level].append(f"{stay.places} {stay.op}: {stay.because}")
    models: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        name = row.subject.rpartition(":")[2]
        models[name][row.feature_level] = _told(row, name, obstacles[row.subject, row.feature_level])
    lines = [
        said_when(row.finished[:10] for row in rows),
        "",
        f"| {' | '.join(('model', *TITLES))} |",
        f"| --- |{MARKS}",
    ]
    for name in sorted(models):
        lines += [f"| {' | '.join([name, levels, *cells(row)])} |" for levels, row in alike(models[name])]
    left = [name for name in sorted(builders) if name not in models]
    told = [f"- Not asked yet: {', '.join(left)}."] if left else []
    return [*lines, "", *said_of_all(models), *told, "", *reasons(models)]


def _told(row: SweepRow, name: str, obstacles: Sequence[str]) -> Row:
    return Row(
        name,
        row.feature_level,
        row.readiness,
        round(row.score, 1),
        row.parts,
        round(row.compute_share, 4),
        row.transposes,
        row.difference,
        check_seconds=row.seconds,
        convert_seconds=row.convert_seconds,
        size=(row.artifact_bytes or 0) / max(1, row.model_bytes),
        peak=row.peak_mib,
        obstacles=tuple(obstacles),
        # The places in it are of one machine.
        fault=failure_words(row).partition(", at ")[0],
    )


def main() -> int:
    """Write the page from the database that is named."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        print("Name the database that `make zoo` made: python -m benchmarks.zoo_page demo/zoo.db", file=sys.stderr)
        return 2
    with opened(Path(sys.argv[1])) as store:
        write_page(table(store.rows(), store.stays(), zoo.__all__), PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
