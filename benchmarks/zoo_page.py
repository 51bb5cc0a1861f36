"""What a check says of every model of torchvision, as the table of docs/zoo.md.

    make zoo
    python -m benchmarks.zoo_page demo/zoo.db

It reads what the sweep has kept, and puts its table in the page's place for it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measured_page import said_when, write_page
from nnapi_check.reports.many.rows import SweepRow
from nnapi_check.sweep.store import opened

PAGE = Path(__file__).parent.parent / "docs" / "zoo.md"
WHOLE = 0.99
"""The share of the multiply-adds from which a model counts as being on NNAPI."""


def table(rows: Sequence[SweepRow]) -> list[str]:
    """What was found as Markdown: when, the table, the counts at each level, and why there is no answer."""
    models: dict[str, dict[int, SweepRow]] = defaultdict(dict)
    for row in rows:
        models[row.subject.rpartition(":")[2]][row.feature_level] = row
    levels = sorted({row.feature_level for row in rows})
    lines = [
        said_when(row.finished[:10] for row in rows),
        "",
        f"| model | {' | '.join(f'level {level}' for level in levels)} | s | MiB |",
        f"| --- |{' ---: |' * (len(levels) + 2)}",
    ]
    for name in sorted(models):
        answers = models[name]
        cells = [_cell(answers.get(level)) for level in levels]
        seconds, peak = (max(getattr(row, field) for row in answers.values()) for field in ("seconds", "peak_mib"))
        lines.append(f"| {name} | {' | '.join(cells)} | {seconds:.1f} | {peak} |")
    return [*lines, "", *_counts(rows, levels), *_unanswered(models)]


def _cell(row: SweepRow | None) -> str:
    if row is None:
        return "not tried"
    if row.error:
        return "no answer"
    parts = "" if row.parts == 1 else f", {row.parts} parts"
    share = "" if row.compute_share >= WHOLE else f", {row.compute_share:.0%}"
    return f"{row.score:.1f}{parts}{share}"


def _counts(rows: Sequence[SweepRow], levels: Sequence[int]) -> Iterator[str]:
    for level in levels:
        found = [row for row in rows if row.feature_level == level]
        ready = sum(row.readiness == "ready" for row in found)
        whole = sum(row.compute_share >= WHOLE for row in found if not row.error)
        alone = sum(row.parts == 1 for row in found if not row.error)
        yield (
            f"- Level {level}: of {len(found)} models {whole} have at least {WHOLE:.0%} of their multiply-adds on "
            f"NNAPI, {alone} are one part, and {ready} are ready with nothing left to the CPU."
        )


def _unanswered(models: Mapping[str, Mapping[int, SweepRow]]) -> Iterator[str]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, answers in sorted(models.items()):
        error = next((row.error for row in answers.values() if row.error), "")
        if error:
            # The places in it are of one machine.
            reasons[error.partition(", at ")[0]].append(name)
    for error, names in reasons.items():
        yield f"- No answer for {', '.join(names)}: {error}."


def main() -> int:
    """Write the page from the database that is named."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        print("Name the database that `make zoo` made: python -m benchmarks.zoo_page demo/zoo.db", file=sys.stderr)
        return 2
    with opened(Path(sys.argv[1])) as store:
        write_page(table(store.rows()), PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
