"""What a report finds wrong, one finding for each line of source, as machines list it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from nnapi_check.reports.formats.source_files import SourceFile, repository, source_file
from nnapi_check.reports.views import BlockerView, InFloatsView, ModelReport, NodeView, PlaceView

GATE = "gate"
NUMBERS = "numbers"


class Severity(Enum):
    """How much a finding matters. Only what fails the gate is an error."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report comes from: the model's file as it is shown, and the folders that paths are relative to."""

    model: SourceFile
    root: Path
    working: Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is in the way at one place. ``rule`` is a reason's code, ``GATE`` or ``NUMBERS``.

    ``source`` is None where the model does not tell it. ``fingerprint`` stays the same while lines move.
    """

    rule: str
    severity: Severity
    op: str
    message: str
    fix: str
    modules: tuple[str, ...]
    source: SourceFile | None
    line: int | None
    fingerprint: str = ""


def origin_of(model: Path | None, report: ModelReport, working: Path) -> Origin:
    """Where a report on a file comes from, or on a module in memory, which has a name only."""
    root = repository(working)
    name = report.model if model is None else str(model)
    return Origin(source_file(name, root, working), root, working.resolve())


def findings(report: ModelReport, origin: Origin) -> tuple[Finding, ...]:
    """Everything that is in the way, what fails the gate first."""
    found = [*_failed(report), *_blocked(report, origin), *_kept(report, origin), *_in_floats(report, origin)]
    return tuple(_fingerprinted(found, origin))


def _failed(report: ModelReport) -> Iterator[Finding]:
    for reason in report.gate.reasons:
        fix = report.misfit.fix if report.misfit is not None else ""
        yield Finding(GATE, Severity.ERROR, "", reason, fix, (), None, None)
    checked = report.verification
    if checked is not None and not checked.is_within_tolerance:
        worst = ", ".join(f"{numbers.name} by {numbers.max_relative:.3g} of its range" for numbers in checked.outputs)
        message = f"The numbers are further from PyTorch's than {checked.tolerance}: {worst}."
        yield Finding(NUMBERS, Severity.ERROR, "", message, "", (), None, None)


def _blocked(report: ModelReport, origin: Origin) -> Iterator[Finding]:
    for blocker in report.blockers:
        if blocker.is_alternative:
            continue
        for places in _by_line(blocker.places):
            found = "; ".join(dict.fromkeys(place.found for place in places if place.found))
            message = f"{_ops(blocker, places)} stays on the CPU. {blocker.because}"
            message += f" Found: {found}. Wanted: {blocker.wanted}." if found and blocker.wanted else ""
            yield _at(places, origin, blocker.reason, Severity.WARNING, message, blocker.fix)


def _ops(blocker: BlockerView, places: Sequence[PlaceView]) -> str:
    """The op that stays, and the one in its way where that is another."""
    op = places[0].op
    return op if op == blocker.op else f"{op}, for {blocker.op} is in its way,"


def _kept(report: ModelReport, origin: Origin) -> Iterator[Finding]:
    # Of a model that the target does not carry, the gate says why already.
    if report.misfit is not None:
        return
    kept: dict[tuple[str, str], list[NodeView]] = {}
    for node in report.nodes:
        if node.kept_because is not None and node.is_op:
            kept.setdefault((node.op, node.kept_because), []).append(node)
    for (op, because), nodes in kept.items():
        rule, _, words = because.partition(" ")
        message = f"{op} could run on NNAPI and stays on the CPU. {words}."
        for places in _by_line([PlaceView(node.op, node.module, node.file, node.line, "") for node in nodes]):
            yield _at(places, origin, rule, Severity.NOTE, message, "")


def _in_floats(report: ModelReport, origin: Origin) -> Iterator[Finding]:
    for found in report.in_floats:
        for places in _by_line(found.places):
            message = f"{places[0].op} computes on quantized tensors, and NNAPI does it in floats. {found.because}"
            yield _at(places, origin, found.reason, Severity.NOTE, message, _fixes(found))


def _fixes(found: InFloatsView) -> str:
    return " Or: ".join(fix for fix in (found.fix, *found.alternatives) if fix)


def _by_line(places: Sequence[PlaceView]) -> list[list[PlaceView]]:
    lines: dict[tuple[str, str | None, int | None], list[PlaceView]] = {}
    for place in places:
        lines.setdefault((place.op, place.file, place.line), []).append(place)
    return list(lines.values())


def _at(places: Sequence[PlaceView], origin: Origin, rule: str, severity: Severity, message: str, fix: str) -> Finding:
    first = places[0]
    source = None if first.file is None else source_file(first.file, origin.root, origin.working)
    modules = tuple(dict.fromkeys(place.module for place in places if place.module))
    return Finding(rule, severity, first.op, message, fix, modules, source, first.line)


def _fingerprinted(found: Sequence[Finding], origin: Origin) -> Iterator[Finding]:
    """A fingerprint holds neither a line nor the number of a layer, and a count only of what is alike otherwise."""
    seen: dict[str, int] = {}
    for finding in found:
        file = "" if finding.source is None else finding.source.path
        modules = sorted({re.sub(r"\d+", "*", module) for module in finding.modules})
        # The words of a gate hold numbers that change.
        words = "" if finding.op else re.sub(r"[\d.]+", "*", finding.message)
        key = "\0".join((origin.model.path, finding.rule, finding.op, file, words, *modules))
        seen[key] = seen.get(key, 0) + 1
        digest = hashlib.sha256(f"{key}\0{seen[key]}".encode("utf-8", errors="replace")).hexdigest()
        yield replace(finding, fingerprint=digest[:32])


def place_text(finding: Finding) -> str:
    """Where a finding is, in words: its line of source and its modules, empty where neither is known."""
    line = "" if finding.source is None else finding.source.path
    line += f":{finding.line}" if line and finding.line is not None else ""
    modules = ", ".join(finding.modules[:3]) + (f" and {len(finding.modules) - 3} more" * (len(finding.modules) > 3))
    return " in ".join(part for part in (line, modules) if part)
