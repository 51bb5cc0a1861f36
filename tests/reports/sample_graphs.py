"""Graphs for reports made by hand: every node reads what the one before it makes."""

from dataclasses import replace
from itertools import pairwise

from nnapi_check.reports.views import AnswerView, FlowView, GraphView, LevelGraphView, ModelReport, NodeView


def answer_of(node: NodeView) -> AnswerView:
    """What is said of a node at the report's level."""
    return AnswerView(
        node.status,
        node.way,
        node.level,
        node.emits,
        node.differences,
        node.bound,
        node.failures,
        node.kept_because,
        node.arithmetic,
    )


def with_chain(report: ModelReport) -> ModelReport:
    """The report with a graph that is one chain. Below level 3 everything is on the CPU."""
    nodes = report.nodes
    answers = {answer_of(node): None for node in nodes}
    numbers = {answer: number for number, answer in enumerate(answers)}
    flows = (
        FlowView("f32[1,3,224,288]", None, "image", (nodes[0].id,), is_output=False),
        *(FlowView(node.output, node.id, "", (after.id,), is_output=False) for node, after in pairwise(nodes)),
        FlowView(nodes[-1].output, nodes[-1].id, "", (), is_output=True),
    )
    levels = tuple(
        LevelGraphView(
            row.level,
            tuple(node.part if row.level >= 3 else None for node in nodes),
            tuple(numbers[answer_of(node)] for node in nodes),
        )
        for row in report.levels
    )
    return replace(report, graph=GraphView(flows, tuple(answers), levels))
