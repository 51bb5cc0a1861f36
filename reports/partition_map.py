"""The partition map: the graph's nodes in execution order, as one strip of segments, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import sqrt

from nnapi_check.reports.views import ModelReport, NodeView

WIDTH = 960
ROW_HEIGHT = 54
ROWS = 4
GAP = 2
LABEL_MARGIN = 9
CHARACTER_WIDTH = 7.5


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of nodes on one side: position and size in the drawing's units, its color class, its words, and to what
    it leads. Where a run has several segments, one ``is_first``."""

    x: float
    y: float
    width: float
    height: float
    side: str
    label: str
    title: str
    link: str
    is_first: bool


@dataclass(frozen=True, slots=True)
class PartitionMap:
    """All segments, and the size of the drawing."""

    segments: tuple[Segment, ...]
    width: int
    height: int


def draw_levels(report: ModelReport) -> tuple[tuple[tuple[int, ...], PartitionMap], ...]:
    """A map for the report's level, and for each other level, those of the same parts as one, with their levels."""
    if report.graph is None:
        return (((report.feature_level,), draw(report)),)
    levels: dict[tuple[int | None, ...], list[int]] = {}
    for at in report.graph.levels:
        levels.setdefault(at.parts, []).append(at.level)
    return tuple((tuple(found), draw(_with_parts(report, parts))) for parts, found in levels.items())


def _with_parts(report: ModelReport, parts: Sequence[int | None]) -> ModelReport:
    return replace(
        report, nodes=tuple(replace(node, part=part) for node, part in zip(report.nodes, parts, strict=True))
    )


def draw(report: ModelReport) -> PartitionMap:
    """Lay the runs out in up to four rows. A run's width grows with its nodes and with the root of its work."""
    runs = [tuple(run) for _, run in groupby(report.nodes, key=lambda node: node.part)]
    if not runs:
        return PartitionMap((), WIDTH, 0)
    sizes = [_size(run, report) for run in runs]
    rows = min(ROWS, max(1, len(runs) // 12 + 1))
    scale = rows * WIDTH / sum(sizes)
    segments: list[Segment] = []
    x, row = 0.0, 0
    for run, size in zip(runs, sizes, strict=True):
        left = size * scale
        is_first = True
        while left > 0.01:
            room = WIDTH - x
            width = min(left, room)
            segments.append(_segment(run, x, row, width, is_labelled=is_first))
            is_first, left, x = False, left - width, x + width
            if WIDTH - x < 0.01 and row < rows - 1:
                x, row = 0.0, row + 1
            elif WIDTH - x < 0.01:
                break
    return PartitionMap(tuple(segments), WIDTH, rows * ROW_HEIGHT)


def _size(run: Sequence[NodeView], report: ModelReport) -> float:
    work = sum(node.multiply_adds for node in run)
    share = sqrt(work / report.multiply_adds) if report.multiply_adds else 0.0
    return 0.5 * len(run) / len(report.nodes) + 0.5 * share + 0.004


def _segment(run: Sequence[NodeView], x: float, row: int, width: float, *, is_labelled: bool) -> Segment:
    part = run[0].part
    name = "CPU" if part is None else f"NNAPI {part}"
    count = sum(1 for node in run if node.is_op)
    ops = list(dict.fromkeys(node.op.split(".")[1] for node in run))
    shown = ", ".join(ops[:12]) + (f" and {len(ops) - 12} more" if len(ops) > 12 else "")
    work = sum(node.multiply_adds for node in run)
    label = f"{name} · {count}"
    has_room = width > CHARACTER_WIDTH * len(label) + 2 * LABEL_MARGIN
    return Segment(
        x=round(x, 2),
        y=row * ROW_HEIGHT,
        width=round(max(width - GAP, 1), 2),
        height=ROW_HEIGHT - 10,
        side="cpu" if part is None else f"part part-{part % 4}",
        label=label if is_labelled and has_room else "",
        link=f"op-{run[0].id}" if part is None else f"part-{part}",
        is_first=is_labelled,
        title=f"{name}: {count} ops ({shown}), {work / 1e6:,.1f} million multiply-adds{_integers(run, part)}",
    )


def _integers(run: Sequence[NodeView], part: int | None) -> str:
    found = sum(node.multiply_adds for node in run if node.arithmetic == "integers")
    return f", {found / 1e6:,.1f} of them in integers" if found and part is not None else ""
