"""The report as workflow commands of GitHub Actions, which become annotations of the lines they name."""

from __future__ import annotations

from collections.abc import Iterator

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.formats.findings import Finding, Origin, Severity, findings, place_text
from nnapi_check.reports.gating.comparison_text import comparison_sentence
from nnapi_check.reports.terminal import printable
from nnapi_check.reports.views import ModelReport

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def to_github(report: ModelReport, origin: Origin) -> str:
    """One command a line. The verdict comes first, then what fails the gate, for only the first ten of a kind show."""
    return "\n".join(_lines(report, origin))


def _lines(report: ModelReport, origin: Origin) -> Iterator[str]:
    verdict = f"{report.readiness}, score {shown_score(report.score)}, at feature level {report.feature_level}"
    yield _command("notice", "", f"nnapi-check: {report.model}", f"{report.model} is {verdict}.")
    if report.comparison is not None:
        yield _command("notice", "", f"nnapi-check: {report.model}", comparison_sentence(report.comparison))
    for finding in findings(report, origin):
        fix = f"\nFix: {finding.fix}" if finding.fix else ""
        place = place_text(finding)
        where = f"\nAt {place}" if place else ""
        title = f"nnapi-check: {report.model}, {finding.rule}"
        yield _command(_COMMANDS[finding.severity], _place(finding, origin), title, f"{finding.message}{where}{fix}")


def _place(finding: Finding, origin: Origin) -> str:
    if finding.source is not None and finding.source.is_inside:
        line = f",line={finding.line}" if finding.line is not None and finding.line > 0 else ""
        return f"file={_property(finding.source.path)}{line},"
    return f"file={_property(origin.model.path)}," if origin.model.is_inside else ""


def _command(kind: str, place: str, title: str, message: str) -> str:
    return f"::{kind} {place}title={_property(title)}::{_data(message)}"


def _data(words: str) -> str:
    return printable(words).replace("%", "%25").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
