"""What machines list of a report."""

from collections import Counter
from dataclasses import replace

import pytest

from nnapi_check.reports.formats.findings import Origin, Severity, findings
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_reports import hostile_report, mixed_report, quantized_report, ready_report

REPORTS = [mixed_report(), ready_report(), quantized_report(), hostile_report()]


def test_a_ready_model_has_no_finding(origin: Origin) -> None:
    assert findings(ready_report(), origin) == ()


def test_every_op_that_stays_is_found_at_its_line(origin: Origin) -> None:
    report = mixed_report()
    stays = {(node.op, node.line) for node in report.nodes if node.part is None and node.is_op}

    found = [finding for finding in findings(report, origin) if finding.severity is not Severity.ERROR]

    assert {(finding.op, finding.line) for finding in found} == stays
    assert all(finding.source is not None and finding.source.is_inside for finding in found)


def test_what_fails_the_gate_comes_first(origin: Origin) -> None:
    report = mixed_report()

    found = findings(report, origin)

    assert [finding.message for finding in found[: len(report.gate.reasons)]] == list(report.gate.reasons)
    assert {finding.severity for finding in found[len(report.gate.reasons) :]} <= {Severity.WARNING, Severity.NOTE}


def test_numbers_out_of_tolerance_are_an_error(origin: Origin) -> None:
    report = mixed_report()
    assert report.verification is not None
    wrong = replace(report, verification=replace(report.verification, is_within_tolerance=False))

    (found,) = [finding for finding in findings(wrong, origin) if finding.rule == "numbers"]

    assert found.severity is Severity.ERROR
    assert "output 0" in found.message


@pytest.mark.parametrize("report", REPORTS, ids=["mixed", "ready", "quantized", "hostile"])
def test_no_two_findings_have_one_fingerprint(report: ModelReport, origin: Origin) -> None:
    found = findings(report, origin)

    assert max(Counter(finding.fingerprint for finding in found).values(), default=1) == 1


def test_fingerprints_stay_while_lines_and_layers_move(origin: Origin) -> None:
    report = mixed_report()
    moved = replace(
        report,
        blockers=tuple(
            replace(
                blocker,
                places=tuple(
                    replace(place, line=(place.line or 0) + 7, module=place.module.replace("stage2", "stage3"))
                    for place in blocker.places
                ),
            )
            for blocker in report.blockers
        ),
    )

    before = {finding.fingerprint for finding in findings(report, origin)}

    assert {finding.fingerprint for finding in findings(moved, origin)} == before
    assert [found.line for found in findings(moved, origin)] != [found.line for found in findings(report, origin)]
