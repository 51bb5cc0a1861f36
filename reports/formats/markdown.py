"""The report as Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nnapi_check.reports.changing.edit_text import kept_words
from nnapi_check.reports.changing.first_changes_text import gain_words, ops_words, together_words, where_words
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shown_share
from nnapi_check.reports.formats.findings import Finding, Origin, Severity, findings, place_text
from nnapi_check.reports.gating.comparison_text import shown_changes
from nnapi_check.reports.level_rows import level_rows
from nnapi_check.reports.terminal import printable
from nnapi_check.reports.views import ComparisonView, EditView, FirstChangesView, ModelReport

_SHOWN = 10
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~@&$])")


def to_markdown(report: ModelReport, origin: Origin) -> str:
    """Verdict and gate, then what is in the way, then what is for a second look, folded.

    The first line is a comment that is the same for a model at a target, by which a comment is found again.
    """
    return "\n".join(_lines(report, origin)) + "\n"


def _lines(report: ModelReport, origin: Origin) -> Iterator[str]:
    key = re.sub(r"[^\w./=-]+", "_", f"{origin.model.path}/{report.target}/{report.feature_level}").replace("--", "__")
    yield f"<!-- nnapi-check {key} -->"
    yield f"### nnapi-check: {code(origin.model.path)} is {report.readiness}"
    yield ""
    yield f"**{escaped(report.summary)}**"
    yield ""
    share = shown_share(report.compute_coverage, uncounted=report.uncounted)
    yield (
        f"{'✅ The gate is passed' if report.gate.is_passed else '❌ The gate is not passed'}: score "
        f"**{shown_score(report.score)}**, {report.nodes_on_nnapi} of {report.nodes_total} ops and {share} of the "
        f"work on NNAPI in {_count(len(report.parts), 'part')}, at feature level {report.feature_level}, "
        f"target {report.target}."
    )
    for reason in report.gate.reasons:
        yield f"- {escaped(reason)}"
    if report.misfit is not None:
        yield f"- {escaped(report.misfit.because)} **Fix:** {escaped(report.misfit.fix)}"
    yield ""
    if report.comparison is not None:
        yield from _comparison(report.comparison)
    if report.first_changes is not None:
        yield from _first_changes(report.first_changes)
    yield from _in_the_way(findings(report, origin))
    yield from _numbers(report)
    yield from _levels(report)
    yield f"<sub>nnapi-check {code(report.tool_version)}, PyTorch {code(report.torch_version)}</sub>"


def _comparison(comparison: ComparisonView) -> Iterator[str]:
    yield f"Compared with {code(comparison.baseline)}:"
    yield ""
    yield "| | what | baseline | now |"
    yield "| --- | --- | --- | --- |"
    marks = {"worse": "❌", "better": "✅", "same": ""}
    for change in shown_changes(comparison):
        cells = (marks[change.effect], *(escaped(words) for words in (change.what, change.before, change.after)))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _first_changes(found: FirstChangesView) -> Iterator[str]:
    yield "**What to change first**"
    yield ""
    for number, change in enumerate(found.causes, 1):
        yield f"{number}. {escaped(ops_words(change))}, {code(where_words(change))}"
        for remedy in change.remedies:
            yield f"   - {escaped(remedy.fix)} Gains {escaped(gain_words(remedy, found))}."
            for edit in remedy.edits:
                yield f"     Keeps {escaped(kept_words(edit))}."
                yield from _diff(edit)
        if not change.remedies:
            yield f"   - {escaped(change.alternatives[0])} Gains nothing by itself."
    if found.together is not None:
        yield ""
        yield f"{escaped(together_words(found))}: {escaped(gain_words(found.together, found))}."
    yield ""


def _diff(edit: EditView) -> Iterator[str]:
    lines = (*(f"- {line}" for line in edit.before.splitlines()), *(f"+ {line}" for line in edit.after.splitlines()))
    yield ""
    yield "     ```diff"
    yield from (f"     {printable(line).replace('```', '')}" for line in lines)
    yield "     ```"


def _in_the_way(found: Sequence[Finding]) -> Iterator[str]:
    warnings = [finding for finding in found if finding.severity is Severity.WARNING]
    if not warnings:
        return
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in warnings:
        groups.setdefault((finding.op, finding.rule, finding.fix), []).append(finding)
    yield "| stays on the CPU | where | fix |"
    yield "| --- | --- | --- |"
    for (op, rule, fix), members in list(groups.items())[:_SHOWN]:
        where = code(place_text(members[0])) + (f" and {len(members) - 1} more" if len(members) > 1 else "")
        yield f"| {code(op)} ({rule}) | {where} | {escaped(fix)} |"
    if len(groups) > _SHOWN:
        yield f"| {_count(len(groups) - _SHOWN, 'more reason')} | | see the whole report |"
    yield ""


def _numbers(report: ModelReport) -> Iterator[str]:
    checked = report.verification
    if checked is None:
        return
    words = "within" if checked.is_within_tolerance else "**not** within"
    yield f"Its numbers are {words} tolerance ({escaped(checked.tolerance)}):"
    yield ""
    yield "| output | largest error, of its range | steps |"
    yield "| --- | --- | --- |"
    for found in checked.outputs:
        yield f"| {code(found.name)} | {found.max_relative:.3g} | {'' if found.steps is None else found.steps} |"
    yield ""


def _levels(report: ModelReport) -> Iterator[str]:
    yield "<details><summary>Every feature level</summary>"
    yield ""
    yield "| level | comes with | verdict | score | parts | work on NNAPI |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in level_rows(report.levels):
        level = row.answer
        share = shown_share(level.compute_coverage, uncounted=report.uncounted)
        cells = (row.comes_with, level.readiness, shown_score(level.score), str(level.parts), share)
        yield f"| {row.span} | {' | '.join(cells)} |"
    yield ""
    yield "</details>"
    yield ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def escaped(words: str) -> str:
    """Words that are shown as they are: no markup, no mention of anybody, no line's end."""
    return _SPECIAL.sub(r"\\\1", printable(" ".join(words.split()))).replace("\\@", "@\u200b")


def code(words: str) -> str:
    """A name as it is, in the font of code. Within a table a bar would end the cell, and a grave accent the code."""
    plain = printable(" ".join(words.split())).replace("`", "'").replace("|", "\N{BROKEN BAR}")
    return f"`{plain}`" if plain else ""
