"""What became of torchvision's quantized models, as the table of docs/quantized.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measured_page import said_when
from benchmarks.quantized_rows import LEVELS, Row, Rows, Trial, decibels

PAGE = Path(__file__).parent.parent / "docs" / "quantized.md"

TITLES = (
    "model",
    "levels",
    "NNAPI models",
    "integers / floats / CPU",
    "exact, within a step",
    "steps",
    "SNR",
    "engines",
    "floats",
    "best class",
    "engines agree",
    "verified",
    "size",
)


def table(rows: Rows, wanted: Sequence[Trial]) -> list[str]:
    """What was found as Markdown: when, a table for each target, and what is true of all."""
    found = [row for of_trial in rows.values() for row in of_trial.values()]
    if not found:
        return ["Nothing was tried yet."]
    lines = [said_when(row.date for row in found)]
    for target in dict.fromkeys(trial.target for trial in wanted):
        shown = [trial for trial in wanted if trial.target == target and trial in rows]
        if shown:
            titles = [f"Target `{target}`:", "", f"| {' | '.join(TITLES)} |", "|" + " --- |" * len(TITLES)]
            lines += ["", *titles, *(line for trial in shown for line in _lines(trial, rows[trial]))]
    return [*lines, "", *_said_of_all(found), *_said_of_missing(rows, wanted)]


def _lines(trial: Trial, rows: Mapping[int, Row]) -> Iterator[str]:
    """A line for each group of levels of which a row tells the same."""
    groups: dict[str, list[int]] = {}
    for level in sorted(rows):
        groups.setdefault(" | ".join(_cells(rows[level])), []).append(level)
    for cells, levels in groups.items():
        yield f"| {trial.case.name} | {', '.join(map(str, levels))} | {cells} |"


def _cells(row: Row) -> Iterator[str]:
    yield str(row.parts)
    yield " / ".join(_amount(amount) for amount in (row.integers, row.floats, row.cpu))
    yield f"{row.exact}, {row.within} of {row.layers}"
    yield str(row.steps)
    yield from (decibels(noise) for noise in (row.noise, row.between, row.rounding))
    yield f"{row.agreed} of {row.count}"
    yield f"{row.agreed_between}"
    yield f"**fails**: {row.fault}" if row.fault else f"{decibels(row.first_noise)}{_least(row)}"
    yield f"{row.size:.3f}"


def _least(row: Row) -> str:
    return "" if row.least_noise is None else f", at least {row.least_noise:.1f}"


def _amount(amount: int) -> str:
    return f"{amount / 1e6:,.1f} M" if amount else "0"


_LITTLE = 1.0
"""Decibels that other images would change."""


def _said_of_all(rows: Sequence[Row]) -> Iterator[str]:
    kept = sum(not row.fault for row in rows)
    yield f"- Of {len(rows)} conversions, {kept} kept what was promised: {_promise()}."
    told = [row for row in rows if row.values]
    yield (
        f"- Every output has {min(row.values for row in told)} different values at least, and over its images every "
        f"model has {min(row.classes for row in told)} best classes at least."
    )
    yield from _said_of_layers(rows)
    further = {
        f"{row.trial.case.name} ({row.trial.target}, {row.between - row.noise:.1f} dB)"
        for row in rows
        if row.noise is not None and row.between is not None and row.noise < row.between - _LITTLE
    }
    if further:
        yield (
            "- Further from PyTorch than its own engines are from each other, by more than a decibel: "
            f"{', '.join(sorted(further))}."
        )


def _said_of_layers(rows: Sequence[Row]) -> Iterator[str]:
    kinds: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        kinds.setdefault((row.form, row.parameters, row.target), set()).update(row.inexact)
    alike: dict[tuple[str, ...], list[str]] = {}
    for (form, parameters, target), ops in kinds.items():
        if ops:
            alike.setdefault(tuple(sorted(ops)), []).append(f"{form} {parameters} for {target}")
    for named, names in alike.items():
        yield f"- Layers that are not exact, {'; '.join(names)}: {', '.join(f'`{op}`' for op in named)}."


def _promise() -> str:
    return "an NNAPI model that runs, numbers within the bound for two images, no work in floats that is not named"


def _said_of_missing(rows: Rows, wanted: Sequence[Trial]) -> Iterator[str]:
    missing = [trial.name for trial in wanted if len(rows.get(trial, {})) < len(LEVELS)]
    if missing:
        yield f"- Not tried yet at every level: {', '.join(missing)}."
