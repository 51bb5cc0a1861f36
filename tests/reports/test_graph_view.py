"""The graph of a report, of a model that was captured."""

import torch
from torch import nn

import nnapi_check
from nnapi_check.reports.views import AnswerView, GraphView, ModelReport
from tests.reports.sample_graphs import answer_of


class Fork(nn.Module):
    """One convolution whose result is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, (3, 1))
        self.second = nn.Conv2d(5, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.first(x)
        return torch.add(torch.relu(y), self.second(y))


def checked() -> tuple[ModelReport, GraphView]:
    report = nnapi_check.check(Fork().eval(), ["f32[1,3,11,7]"], feature_level=3)
    assert report.graph is not None
    return report, report.graph


def test_flows_lead_from_the_input_through_every_node_to_the_output() -> None:
    report, graph = checked()

    op = {node.id: node.op.split(".")[1] for node in report.nodes}
    found = sorted(
        (op.get(flow.maker, "input") if flow.maker is not None else "input", sorted(op[id_] for id_ in flow.readers))
        for flow in graph.flows
    )

    assert found == [
        ("add", []),
        ("conv2d", ["add"]),
        ("conv2d", ["conv2d", "relu"]),
        ("input", ["conv2d"]),
        ("relu", ["add"]),
    ]
    assert [flow.type for flow in graph.flows if flow.is_output] == ["f32[1,5,9,7]"]


def test_answers_at_the_report_s_level_are_those_of_its_nodes_and_each_is_held_once() -> None:
    report, graph = checked()
    (at,) = [level for level in graph.levels if level.level == report.feature_level]

    assert [graph.answers[number] for number in at.answers] == [answer_of(node) for node in report.nodes]
    assert list(at.parts) == [node.part for node in report.nodes]
    assert len(graph.answers) == len(set[AnswerView](graph.answers))
    assert [level.level for level in graph.levels] == [row.level for row in report.levels]
