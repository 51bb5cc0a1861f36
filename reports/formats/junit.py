"""The report as JUnit's XML, which test reports of CI servers read: a suite for the model, a case for the gate."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as Xml

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.formats.findings import GATE, NUMBERS, Finding, Origin, Severity, findings, place_text
from nnapi_check.reports.gating.comparison_text import comparison_sentence
from nnapi_check.reports.terminal import printable
from nnapi_check.reports.views import ModelReport


def to_junit(report: ModelReport, origin: Origin) -> str:
    """One suite: the gate, the numbers where they were compared, and each op, skipped where it stays on the CPU."""
    found = findings(report, origin)
    suite = Xml.Element("testsuite", name=_text(f"nnapi-check: {origin.model.path}"))
    properties = Xml.SubElement(suite, "properties")
    for name, value in _properties(report):
        Xml.SubElement(properties, "property", name=name, value=_text(value))
    for case in _cases(report, origin, found):
        suite.append(case)
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", "0")
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suites = Xml.Element("testsuites", name="nnapi-check")
    suites.append(suite)
    Xml.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(suites, encoding="unicode")


def _properties(report: ModelReport) -> Iterator[tuple[str, str]]:
    yield "readiness", report.readiness
    yield "score", shown_score(report.score)
    yield "feature_level", str(report.feature_level)
    yield "target", report.target
    yield "tool_version", report.tool_version
    if report.comparison is not None:
        yield "comparison", comparison_sentence(report.comparison)


def _cases(report: ModelReport, origin: Origin, found: tuple[Finding, ...]) -> Iterator[Xml.Element]:
    failed = [finding for finding in found if finding.severity is Severity.ERROR]
    yield _case(origin, "gate", [finding for finding in failed if finding.rule == GATE], "failure")
    if report.verification is not None:
        yield _case(origin, "numbers", [finding for finding in failed if finding.rule == NUMBERS], "failure")
    stays = {node.op for node in report.nodes if node.part is None}
    for op in sorted({node.op for node in report.nodes if node.is_op}):
        case = _case(origin, op, [finding for finding in found if finding.op == op and op in stays], "skipped")
        if op in stays and not len(case):
            Xml.SubElement(case, "skipped", message="It stays on the CPU.")
        yield case


def _case(origin: Origin, name: str, found: list[Finding], kind: str) -> Xml.Element:
    case = Xml.Element("testcase", classname=_text(origin.model.path), name=_text(name))
    if found:
        rules = ", ".join(dict.fromkeys(finding.rule for finding in found))
        outcome = Xml.SubElement(case, kind, type=_text(rules), message=_text(found[0].message))
        outcome.text = _text("\n".join(_lines(found)))
    return case


def _lines(found: list[Finding]) -> Iterator[str]:
    for finding in found:
        place = place_text(finding)
        where = f" ({place})" if place else ""
        fix = f" Fix: {finding.fix}" if finding.fix else ""
        yield f"{finding.rule}: {finding.message}{where}{fix}"


def _text(words: str) -> str:
    """Words without what XML cannot hold."""
    return printable(words).encode("utf-8", errors="replace").decode("utf-8")
