"""The report for test reports of CI servers."""

from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest

from nnapi_check.reports.formats.findings import Origin
from nnapi_check.reports.formats.junit import to_junit
from nnapi_check.reports.views import GateView, ModelReport
from tests.reports.sample_reports import hostile_report, mixed_report, quantized_report, ready_report

CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "property": [],
    "testcase": ["skipped", "failure"],
    "skipped": [],
    "failure": [],
}
ATTRIBUTES = {
    "testsuites": ({"name"}, set()),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, set()),
    "properties": (set(), set()),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname"}, set()),
    "skipped": ({"message"}, {"type"}),
    "failure": ({"message", "type"}, set()),
}


def check_shape(element: Xml.Element) -> None:
    """What servers have in common: which elements hold which, in this order, and what attributes they have."""
    needed, allowed = ATTRIBUTES[element.tag]
    assert needed <= set(element.attrib) <= needed | allowed
    order = [CHILDREN[element.tag].index(child.tag) for child in element]
    assert order == sorted(order)
    for child in element:
        check_shape(child)


@pytest.mark.parametrize(
    "report",
    [mixed_report(), ready_report(), quantized_report(), hostile_report()],
    ids=["mixed", "ready", "quantized", "hostile"],
)
def test_it_has_the_shape_that_servers_read_and_counts_right(report: ModelReport, origin: Origin) -> None:
    suites = Xml.fromstring(to_junit(report, origin))  # noqa: S314  # written here

    check_shape(suites)
    (suite,) = suites
    for attribute, path in (("tests", "testcase"), ("failures", ".//failure"), ("skipped", ".//skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(path))


@pytest.mark.parametrize("is_passed", [True, False])
def test_the_suite_fails_where_the_gate_does(is_passed: bool, origin: Origin) -> None:
    report = replace(mixed_report(), gate=GateView(is_passed, () if is_passed else ("The score is 3.",)))

    suites = Xml.fromstring(to_junit(report, origin))  # noqa: S314  # written here

    assert [found.attrib["message"] for found in suites.findall(".//failure")] == list(report.gate.reasons)


def test_ops_on_the_cpu_are_skipped_and_others_are_not(origin: Origin) -> None:
    report = mixed_report()

    suites = Xml.fromstring(to_junit(report, origin))  # noqa: S314  # written here

    skipped = {case.attrib["name"] for case in suites.findall(".//testcase") if case.find("skipped") is not None}
    assert skipped == {node.op for node in report.nodes if node.part is None}
