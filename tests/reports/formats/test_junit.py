"""The report for test reports of CI servers."""

from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.reports.formats.findings import Origin, origin_of
from nnapi_check.reports.formats.junit import to_junit
from nnapi_check.reports.views import GateView
from tests.reports.formats.junit_schema import check_junit
from tests.reports.sample_reports import (
    estimated_report,
    hostile_report,
    mixed_report,
    quantized_report,
    ready_report,
)

REPORTS = {
    "mixed": mixed_report(),
    "ready": ready_report(),
    "quantized": quantized_report(),
    "estimated": estimated_report(),
    "hostile": hostile_report(),
}


@pytest.mark.parametrize("name", REPORTS)
def test_it_obeys_the_schema_of_a_server_and_counts_right(name: str, origin: Origin) -> None:
    check_junit(to_junit(REPORTS[name], origin))


@given(st.text(), st.text(min_size=1))
def test_whatever_names_and_messages_hold_it_obeys_the_schema(message: str, name: str) -> None:
    report = mixed_report()
    blockers = tuple(replace(blocker, because=message, fix=message) for blocker in report.blockers)
    nodes = tuple(replace(node, op=name) if node.part is None else node for node in report.nodes)
    report = replace(report, nodes=nodes, blockers=blockers, gate=GateView(False, (message,)))

    suites = check_junit(to_junit(report, origin_of(Path("model.pt"), report, Path.cwd())))

    assert len(suites.findall(".//failure")) == 1


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        ('<testsuite name="a" tests="0" failures="0">', "errors"),
        ('<testsuite name="a" tests="0" failures="0" errors="0" passed="0">', "passed"),
    ],
)
def test_the_schema_refuses_what_it_does_not_know(line: str, broken: str) -> None:
    with pytest.raises(xmlschema.XMLSchemaValidationError, match=broken):
        check_junit(f"<testsuites>{line}</testsuite></testsuites>")


@pytest.mark.parametrize("is_passed", [True, False])
def test_the_suite_fails_where_the_gate_does(is_passed: bool, origin: Origin) -> None:
    report = replace(mixed_report(), gate=GateView(is_passed, () if is_passed else ("The score is 3.",)))

    suites = check_junit(to_junit(report, origin))

    assert [found.attrib["message"] for found in suites.findall(".//failure")] == list(report.gate.reasons)


def test_ops_on_the_cpu_are_skipped_and_others_are_not(origin: Origin) -> None:
    report = mixed_report()

    suites = check_junit(to_junit(report, origin))

    skipped = {case.attrib["name"] for case in suites.findall(".//testcase") if case.find("skipped") is not None}
    assert skipped == {node.op for node in report.nodes if node.part is None}
