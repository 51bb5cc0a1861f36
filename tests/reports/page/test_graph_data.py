"""The data of a page's graph."""

import json
from pathlib import Path

from nnapi_check.reports.page.excerpts import Sources
from nnapi_check.reports.page.graph_data import graph_data
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_graphs import with_chain
from tests.reports.sample_reports import HOSTILE, hostile_report, mixed_report


def text_of(report: ModelReport, *folders: Path) -> str:
    assert report.graph is not None
    return graph_data(report, report.graph, Sources(folders))


def test_no_name_of_a_model_ends_the_element_that_holds_the_data() -> None:
    text = text_of(with_chain(hostile_report()))

    assert "<" not in text
    assert json.loads(text)["nodes"][-1]["module"] == HOSTILE


def test_every_node_has_an_answer_and_a_side_at_every_level() -> None:
    report = with_chain(mixed_report())

    found = json.loads(text_of(report))

    assert [level["level"] for level in found["levels"]] == list(range(1, 9))
    sides = [found["sides"][level["sides"]] for level in found["levels"]]
    assert len(found["sides"]) == 2
    for level in sides:
        assert len(level["parts"]) == len(level["answers"]) == len(level["runs"]) == len(report.nodes)
        assert all((part is None) != (run is None) for part, run in zip(level["parts"], level["runs"], strict=True))
    at = sides[3]
    statuses = [found["answers"][number]["status"] for number in at["answers"]]
    assert statuses == [node.status for node in report.nodes]


def test_flows_name_nodes_by_their_place_in_the_list() -> None:
    report = with_chain(mixed_report())

    flows = json.loads(text_of(report))["flows"]

    assert (flows[0]["from"], flows[0]["name"], flows[0]["to"]) == (None, "image", [0])
    assert [(flow["from"], flow["to"]) for flow in flows[1:-1]] == [
        (number, [number + 1]) for number in range(len(report.nodes) - 1)
    ]
    assert flows[-1]["isOutput"]
