"""From the report on a model as it would be quantized to what the report on the model of floats says of it."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.planning.if_quantized import IfQuantized, StaysInFloats
from nnapi_check.analyzer.planning.work import constant_bytes, multiply_adds
from nnapi_check.reports.views import IfQuantizedView, ModelReport, PlaceView, StaysInFloatsView

ASSUMPTION = (
    "An estimate: scales are usual ones, which calibration alone can find, and how accurate the model would be is not "
    "known."
)


def if_quantized_view(graph: Graph, estimate: IfQuantized, report: ModelReport) -> IfQuantizedView:
    """What ``report``, on a graph as it would be quantized, says to somebody who has the ``graph`` of floats."""
    return IfQuantizedView(
        readiness=report.readiness,
        score=report.score,
        parts=len(report.parts),
        multiply_adds=report.multiply_adds,
        uncounted=report.uncounted,
        work=report.work,
        weights_bytes_now=constant_bytes(graph),
        weights_bytes=constant_bytes(estimate.graph),
        stays=_stays(estimate.stays, graph),
        in_floats=report.in_floats,
        cpu_ops=report.nodes_total - report.nodes_on_nnapi,
        blockers=report.blockers,
        assumption=ASSUMPTION,
    )


def _stays(found: Sequence[StaysInFloats], graph: Graph) -> tuple[StaysInFloatsView, ...]:
    groups: dict[tuple[str, str], list[StaysInFloats]] = {}
    for item in found:
        groups.setdefault((item.node.op, item.because), []).append(item)
    made = [
        StaysInFloatsView(
            because,
            sum(multiply_adds(item.node, graph) or 0 for item in members),
            tuple(_place(item) for item in members),
        )
        for (_, because), members in groups.items()
    ]
    return tuple(sorted(made, key=lambda view: (-view.multiply_adds, -len(view.places))))


def _place(item: StaysInFloats) -> PlaceView:
    source = item.node.source
    return PlaceView(item.node.op, source.module, source.file, source.line, item.because)
