"""The graph of a report as the data that the page's script draws."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shown_share
from nnapi_check.reports.naming import shown_path
from nnapi_check.reports.page.cpu_runs import cpu_runs
from nnapi_check.reports.page.excerpts import Sources
from nnapi_check.reports.views import AnswerView, GraphView, ModelReport, NodeView

Document = Mapping[str, object]
Sides = tuple[int | None, ...]


def graph_data(report: ModelReport, graph: GraphView, sources: Sources) -> str:
    """The graph as JSON that may stand inside an element of HTML: no ``<`` is in it."""
    numbers: dict[tuple[str, int | None], int] = {}
    places: list[Document] = []

    def place_of(node: NodeView) -> int | None:
        if node.file is None:
            return None
        key = (node.file, node.line)
        if key not in numbers:
            numbers[key] = len(places)
            places.append(_place(node.file, node.line, sources))
        return numbers[key]

    index = {node.id: number for number, node in enumerate(report.nodes)}
    # Levels that answer alike are held once.
    sides: dict[tuple[Sides, Sides, Sides], int] = {}
    document: Document = {
        "level": report.feature_level,
        "nodes": [{**_node(node), "place": place_of(node)} for node in report.nodes],
        "flows": [
            {
                "type": flow.type,
                "from": None if flow.maker is None else index[flow.maker],
                "name": flow.name,
                "to": [index[reader] for reader in flow.readers],
                "isOutput": flow.is_output,
            }
            for flow in graph.flows
        ],
        "answers": [_answer(answer) for answer in graph.answers],
        "levels": [
            {
                "level": row.level,
                "android": row.android,
                "readiness": row.readiness,
                "score": shown_score(row.score),
                "compute": shown_share(row.compute_coverage, uncounted=report.uncounted),
                "onNnapi": row.nodes_on_nnapi,
                "sides": sides.setdefault((at.parts, at.answers, found), len(sides)),
            }
            for row, at, found in zip(report.levels, graph.levels, cpu_runs(report, graph), strict=True)
        ],
        "sides": [dict(zip(("parts", "answers", "runs"), found, strict=True)) for found in sides],
        "differences": {found.id: [found.title, found.bridge] for found in report.differences},
        "places": places,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _node(node: NodeView) -> Document:
    return {
        "id": node.id,
        "op": node.op,
        "module": node.module,
        "output": node.output,
        "isOp": node.is_op,
        "work": node.multiply_adds,
    }


def _place(file: str, line: int | None, sources: Sources) -> Document:
    """A line of a source, with the lines around it where they can be read."""
    excerpt = None if line is None else sources.around(file, line)
    around: Document = {} if excerpt is None else {"first": excerpt.first, "lines": excerpt.lines}
    return {"file": shown_path(file), "line": line, **around}


def _answer(answer: AnswerView) -> Document:
    """What is said of a node, without what is empty."""
    return {key: value for key, value in asdict(answer).items() if value not in (None, "", ())}
