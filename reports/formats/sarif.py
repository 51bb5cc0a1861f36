"""The report as SARIF 2.1.0, which code scanning reads: results at lines of source, and help for each rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from nnapi_check.coverage_db.differences import Reason
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.formats.findings import GATE, NUMBERS, Finding, Origin, Severity, findings, place_text
from nnapi_check.reports.gating.comparison_text import comparison_sentence
from nnapi_check.reports.views import ModelReport

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_FINGERPRINT = "nnapiCheck/v1"
_ROOT = "%SRCROOT%"
_OWN_RULES = {
    GATE: Reason(
        GATE,
        "gate",
        "The gate is not passed",
        "What was asked for by --min-score, --require-ready, --baseline or another gate does not hold of the model.",
        "Mend what the other results tell, or ask for less.",
    ),
    NUMBERS: Reason(
        NUMBERS,
        "numbers",
        "The numbers are too far from PyTorch's",
        "The converted model was run, and an output is further from PyTorch's than its tolerance.",
        "Report it with the model; until then, leave the op that `convert --layers` names to the CPU.",
    ),
}

Json = dict[str, object]


def to_sarif(report: ModelReport, origin: Origin, reasons: Mapping[str, Reason]) -> str:
    """One run with a result for each finding."""
    found = findings(report, origin)
    known = {**reasons, **_OWN_RULES}
    rules = sorted({finding.rule for finding in found})
    severities = {finding.rule: finding.severity for finding in found}
    run: Json = {
        "tool": {
            "driver": {
                "name": "nnapi-check",
                "version": report.tool_version,
                "rules": [_rule(known[rule], severities[rule]) for rule in rules],
            }
        },
        "automationDetails": {"id": f"nnapi-check/{origin.model.path}/{report.target}/{report.feature_level}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, rules.index(finding.rule), origin) for finding in found],
        "properties": {
            "readiness": report.readiness,
            "score": report.score,
            "featureLevel": report.feature_level,
            "target": report.target,
            "isGatePassed": report.gate.is_passed,
            "summary": f"{report.model}: {report.readiness}, score {shown_score(report.score)}",
            **({"comparison": comparison_sentence(report.comparison)} if report.comparison is not None else {}),
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _rule(reason: Reason, severity: Severity) -> Json:
    more = f"`nnapi-check explain {reason.code}` tells more." if reason.code not in _OWN_RULES else ""
    help_text = " ".join(part for part in (reason.explanation, reason.fix, more) if part)
    return {
        "id": reason.code,
        "name": "".join(word.capitalize() for word in reason.kind.split("-")),
        "shortDescription": {"text": reason.title},
        "fullDescription": {"text": reason.explanation},
        "help": {
            "text": help_text,
            "markdown": "\n\n".join(
                part for part in (f"**{reason.title}**", reason.explanation, f"**Fix:** {reason.fix}", more) if part
            ),
        },
        "defaultConfiguration": {"level": severity.value},
        "properties": {"tags": ["nnapi", reason.kind]},
    }


def _result(finding: Finding, rule_index: int, origin: Origin) -> Json:
    fix = f" Fix: {finding.fix}" if finding.fix else ""
    place = place_text(finding)
    where = f" ({place})" if place else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}{where}{fix}"},
        "locations": [_location(finding, origin)],
        "partialFingerprints": {_FINGERPRINT: finding.fingerprint},
    }


def _location(finding: Finding, origin: Origin) -> Json:
    """The line of source where it is of the repository, else the model's file."""
    physical: Json = {"artifactLocation": _artifact(origin.model.path, is_inside=origin.model.is_inside)}
    if finding.source is not None and finding.source.is_inside:
        physical = {"artifactLocation": _artifact(finding.source.path, is_inside=True)}
        if finding.line is not None and finding.line > 0:
            physical["region"] = {"startLine": finding.line}
    location: Json = {"physicalLocation": physical}
    if finding.modules:
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "module"} for name in finding.modules]
    return location


def _artifact(path: str, *, is_inside: bool) -> Json:
    # A name need not be text.
    uri = quote(path.encode("utf-8", errors="replace"))
    return {"uri": uri, "uriBaseId": _ROOT} if is_inside else {"uri": uri}
