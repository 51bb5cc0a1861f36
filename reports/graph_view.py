"""From a survey to the graph of a report: what flows between its nodes, and what is said of each at every level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nnapi_check.analyzer.graph import End, Graph, GraphInput, NodeOutput, readers_of
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.reports.views import AnswerView, FlowView, GraphView, LevelGraphView, NodeView


def graph_view(
    survey: Survey,
    plan: Plan,
    types: Callable[[Graph, int], str],
    nodes_of: Callable[[Plan], Iterator[NodeView]],
) -> GraphView:
    """The graph of a report on ``plan``, and at each other level on the best plan for it."""
    answers: dict[AnswerView, int] = {}
    plans = [plan if found.level == plan.level else found for found in survey.plans]
    levels = tuple(_level(found, tuple(nodes_of(found)), answers) for found in plans)
    return GraphView(tuple(_flows(survey.graph, plan, types)), tuple(answers), levels)


def _level(plan: Plan, nodes: Sequence[NodeView], answers: dict[AnswerView, int]) -> LevelGraphView:
    said = tuple(answers.setdefault(_answer(node), len(answers)) for node in nodes)
    return LevelGraphView(plan.level, tuple(node.part for node in nodes), said)


def _answer(node: NodeView) -> AnswerView:
    return AnswerView(
        status=node.status,
        way=node.way,
        level=node.level,
        emits=node.emits,
        differences=node.differences,
        bound=node.bound,
        failures=node.failures,
        kept_because=node.kept_because,
        arithmetic=node.arithmetic,
    )


def _flows(graph: Graph, plan: Plan, types: Callable[[Graph, int], str]) -> Iterator[FlowView]:
    """What flows from one node of the report to another, or from and to the outside."""
    readers = readers_of(graph)
    for value in graph.values:
        match value.origin:
            case GraphInput(_, name):
                maker = None
            case NodeOutput(node, _) if node in plan.verdicts:
                maker, name = node, ""
            case _:
                continue
        known = {reader for reader in readers[value.id] if not isinstance(reader, End)} & plan.verdicts.keys()
        found = tuple(sorted(known))
        is_output = value.id in graph.body.outputs
        if found or is_output:
            yield FlowView(types(graph, value.id), maker, name, found, is_output)
