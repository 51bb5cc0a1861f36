"""The report as annotations of GitHub."""

import re

import pytest

from nnapi_check.reports.formats.findings import Origin, Severity, findings
from nnapi_check.reports.formats.github import to_github
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_reports import hostile_report, mixed_report, quantized_report, ready_report

COMMAND = re.compile(r"::(error|warning|notice) (file=[^,:]+,(line=\d+,)?)?title=[^,:]+::.+")


@pytest.mark.parametrize(
    "report",
    [mixed_report(), ready_report(), quantized_report(), hostile_report()],
    ids=["mixed", "ready", "quantized", "hostile"],
)
def test_each_line_is_one_command_whatever_a_name_holds(report: ModelReport, origin: Origin) -> None:
    lines = to_github(report, origin).split("\n")

    assert [line for line in lines if COMMAND.fullmatch(line) is None] == []
    assert len(lines) == 1 + len(findings(report, origin))


def test_kinds_of_commands_are_those_of_the_findings(origin: Origin) -> None:
    lines = to_github(mixed_report(), origin).splitlines()[1:]

    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
    assert [line.split(" ")[0][2:] for line in lines] == [
        words[finding.severity] for finding in findings(mixed_report(), origin)
    ]
    assert any(line.startswith("::warning file=vision/models/segmenter.py,line=49,") for line in lines)
