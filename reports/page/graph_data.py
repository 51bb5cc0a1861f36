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


def graph_data(report: ModelReport, graph: GraphView, sources: Sources) -> str:
    """The graph as JSON that may stand inside an element of HTML: no ``<`` is in it."""
    places: dict[tuple[str, int], int] = {}
    excerpts: list[Document] = []

    def excerpt_of(node: NodeView) -> int | None:
        if node.file is None or node.line is None:
            return None
        place = (node.file, node.line)
        if place not in places:
            found = sources.around(*place)
            places[place] = len(excerpts)
            excerpts.append({} if found is None else {"first": found.first, "lines": found.lines})
        return places[place]

    index = {node.id: number for number, node in enumerate(report.nodes)}
    runs = cpu_runs(report, graph)
    document: Document = {
        "level": report.feature_level,
        "nodes": [{**_node(node), "excerpt": excerpt_of(node)} for node in report.nodes],
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
                "parts": at.parts,
                "answers": at.answers,
                "runs": found,
            }
            for row, at, found in zip(report.levels, graph.levels, runs, strict=True)
        ],
        "differences": {found.id: [found.title, found.bridge] for found in report.differences},
        "excerpts": excerpts,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _node(node: NodeView) -> Document:
    return {
        "id": node.id,
        "op": node.op,
        "module": node.module,
        "file": None if node.file is None else shown_path(node.file),
        "line": node.line,
        "output": node.output,
        "isOp": node.is_op,
        "work": node.multiply_adds,
    }


def _answer(answer: AnswerView) -> Document:
    """What is said of a node, without what is empty."""
    return {key: value for key, value in asdict(answer).items() if value not in (None, "", ())}
