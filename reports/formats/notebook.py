"""The report for a notebook: the core of the page, small and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from nnapi_check.reports.changing.edit_text import code_lines, kept_words
from nnapi_check.reports.changing.first_changes_text import gain_words, ops_words, together_words, where_words
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shown_share
from nnapi_check.reports.level_rows import level_rows
from nnapi_check.reports.naming import place_words
from nnapi_check.reports.terminal import Paint, count_words
from nnapi_check.reports.views import FirstChangesView, ModelReport, VerificationView

_BLOCKERS_SHOWN = 5

_CODE = "font-family: monospace; white-space: pre-wrap"


def short_words(report: ModelReport) -> str:
    """A report in a line."""
    return (
        f"<ModelReport of {report.model}: {report.readiness}, score {shown_score(report.score)}, feature level "
        f"{report.feature_level}, {report.target}>"
    )


def notebook_html(report: ModelReport) -> str:
    """Verdict, numbers, what to change first, levels and what is in the way. Every name is escaped."""
    return "".join(_pieces(report))


def _pieces(report: ModelReport) -> Iterator[str]:
    yield f"<div><p><b>{escape(report.model)}</b>: {escape(report.summary)} Score {shown_score(report.score)}.</p>"
    for reason in report.gate.reasons:
        yield f"<p>Gate not passed: {escape(reason)}</p>"
    if report.verification is not None:
        yield f"<p>{escape(_numbers(report.verification))}</p>"
    if report.first_changes is not None:
        yield from _changes(report.first_changes)
    headings = "".join(f"<th>{word}</th>" for word in ("level", "verdict", "score", "parts", "work"))
    yield f"<table><thead><tr>{headings}</tr></thead><tbody>"
    for row in level_rows(report.levels):
        level = row.answer
        share = shown_share(level.compute_coverage, uncounted=report.uncounted)
        cells = (row.span, level.readiness, shown_score(level.score), str(level.parts), share)
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    yield "</tbody></table>"
    nearest = [blocker for blocker in report.blockers if not blocker.is_alternative]
    if nearest:
        yield "<ul>"
        for blocker in nearest[:_BLOCKERS_SHOWN]:
            where = escape(place_words(blocker.places[0])) if blocker.places else ""
            times = f"{count_words(len(blocker.places), 'op')}, {escape(blocker.reason)}; {where}"
            why = f"{escape(blocker.because)} <i>{escape(blocker.fix)}</i>"
            yield f"<li><code>{escape(blocker.op)}</code> ({times}): {why}</li>"
        more = len(nearest) - _BLOCKERS_SHOWN
        yield f"<li>and {more} more</li></ul>" if more > 0 else "</ul>"
    yield "</div>"


def _numbers(found: VerificationView) -> str:
    worst = max((output.max_relative for output in found.outputs), default=0.0)
    words = "Within tolerance" if found.is_within_tolerance else "NOT WITHIN tolerance"
    return f"{words}: outputs are at most {worst:.2g} of their range from PyTorch's, run in {found.ran_in}."


def _changes(found: FirstChangesView) -> Iterator[str]:
    yield "<p><b>What to change first</b></p><ol>"
    for change in found.causes:
        yield f"<li>{escape(ops_words(change))}, {escape(where_words(change))}: {escape(change.because)}"
        for remedy in change.remedies:
            yield f"<br><i>{escape(remedy.fix)}</i> Gains {escape(gain_words(remedy, found))}."
            for edit in remedy.edits:
                lines = "\n".join(code_lines(edit.before, edit.after, "", Paint(is_colored=False)))
                yield f"<pre style='{_CODE}'>{escape(lines)}</pre>Keeps {escape(kept_words(edit))}."
        if not change.remedies:
            yield f"<br><i>{escape(change.alternatives[0])}</i> Gains nothing by itself."
        yield "</li>"
    yield "</ol>"
    if found.together is not None:
        yield f"<p>{escape(together_words(found))}: {escape(gain_words(found.together, found))}.</p>"
