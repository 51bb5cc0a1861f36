"""The report for a terminal: sentences of 80 columns, colored only where the caller allows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nnapi_check.reports.changing.first_changes_text import change_lines
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shares, shown_share, work_words
from nnapi_check.reports.gating.comparison_text import comparison_lines
from nnapi_check.reports.if_quantized_text import if_quantized_lines
from nnapi_check.reports.level_rows import level_rows
from nnapi_check.reports.losses import loss_groups, tenths_words
from nnapi_check.reports.naming import line_words, modules_words, types_words
from nnapi_check.reports.table import Fit, number, table, text
from nnapi_check.reports.terminal import Detail, Paint, count_words, heading, wrapped
from nnapi_check.reports.verification_text import verification_lines
from nnapi_check.reports.views import BlockerView, LevelView, ModelReport, PlaceView

PLACES_SHOWN = 5
FEW_PLACES = 3
ALTERNATIVES_SHOWN = 2
LOSSES_SHOWN = 8


def to_text(report: ModelReport, paint: Paint, detail: Detail = Detail.USUAL) -> str:
    """The report as text."""
    return "\n".join(_lines(report, paint, detail)) + "\n"


def _lines(report: ModelReport, paint: Paint, detail: Detail) -> Iterator[str]:
    yield from _headline(report, paint)
    if report.comparison is not None:
        yield from comparison_lines(report.comparison, paint)
    if detail is not Detail.QUIET:
        if report.first_changes is not None:
            yield from change_lines(report.first_changes, paint)
        yield from _levels(report, paint)
        yield from _blockers(report, paint)
        yield from _kept(report, paint)
        yield from _in_floats(report, paint)
        yield from _losses(report, paint)
        yield from _parts(report, paint)
        yield from _differences(report, paint, detail)
        if detail is Detail.VERBOSE:
            yield from _tolerance(report, paint)
        if report.if_quantized is not None:
            yield from if_quantized_lines(report.if_quantized, paint)
    if report.verification is not None:
        yield from verification_lines(report.verification, paint)
    if not report.gate.is_passed:
        yield from heading("Gate not passed", paint)
        for reason in report.gate.reasons:
            yield from wrapped(reason, "- ")


def _headline(report: ModelReport, paint: Paint) -> Iterator[str]:
    level = f"NNAPI feature level {report.feature_level}"
    if report.android is not None:
        level = f"{report.android} (API level {report.api_level}, {level})"
    first, *rest = wrapped(f"{report.model} for {level}, target {report.target}", "")
    yield paint.bold(report.model) + first.removeprefix(report.model)
    yield from rest
    for line in wrapped(report.summary, ""):
        yield paint.readiness(report.readiness, line, is_doubtful=report.is_deprecated)
    words = f"{report.readiness}  (score {shown_score(report.score)} of 100)"
    yield f"Verdict: {paint.readiness(report.readiness, words, is_doubtful=report.is_deprecated)}"
    if report.misfit is not None:
        yield from wrapped(report.misfit.because, "  why: ")
        yield from wrapped(report.misfit.fix, "  fix: ")
    if report.target_because:
        yield from wrapped(report.target_because, "Target: ")
    yield f"{report.nodes_on_nnapi} of {report.nodes_total} ops on NNAPI, {_work(report)}"
    if report.is_quantized and report.multiply_adds:
        yield from wrapped(f"{work_words(report.work, uncounted=report.uncounted)}.", "Multiply-adds: ")
    for note in report.notes:
        yield from wrapped(note, "Note: ")


def _tolerance(report: ModelReport, paint: Paint) -> Iterator[str]:
    yield from heading("What the numbers of a conversion are held to", paint)
    yield from wrapped(report.tolerance, "")


def _work(report: ModelReport) -> str:
    share = shown_share(report.compute_coverage, uncounted=report.uncounted)
    if not report.uncounted:
        return f"{share} of the work ({report.multiply_adds / 1e6:,.1f} million multiply-adds)"
    return f"{'an unknown share' if share == 'not known' else share} of the work (multiply-adds)"


def _levels(report: ModelReport, paint: Paint) -> Iterator[str]:
    yield from heading("At each feature level, NNAPI's own version", paint)
    is_split = report.is_quantized and report.multiply_adds > 0
    rows = [
        (
            row.span + (" <" if row.holds(report.feature_level) else ""),
            row.comes_with,
            row.answer.readiness,
            shown_score(row.answer.score),
            row.answer.parts,
            *(
                _split(row.answer, report)
                if is_split
                else (shown_share(row.answer.compute_coverage, uncounted=report.uncounted),)
            ),
        )
        for row in level_rows(report.levels)
    ]
    where = ("integers", "floats", "CPU") if is_split else ("work",)
    words = (text("level"), text("comes with", Fit.FOLD, yields=1), text("verdict", Fit.FOLD))
    numbers = (number("score"), number("parts", yields=2), *(number(name) for name in where))
    yield from table((*words, *numbers), rows, width=paint.width)
    by_updates = [row.level for row in report.levels if not row.api_levels]
    if by_updates:
        yield from wrapped(
            f"(< is the level that this report is about. No Android version promises level {by_updates[0]} and up: a "
            "device has them by updates.)",
            "",
        )


def _split(row: LevelView, report: ModelReport) -> Iterator[str]:
    for share in shares(row.work, uncounted=report.uncounted):
        yield share.replace("at most", "≤").replace("at least", "≥")


def _parts(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.parts:
        return
    yield from heading("Parts that become NNAPI models", paint)
    rows = [
        (
            part.index,
            part.ops,
            part.operations,
            part.transposes,
            part.level,
            types_words(part.inputs),
            types_words(part.outputs),
        )
        for part in report.parts
    ]
    counts = (number("part"), number("ops"), number("operations", yields=2), number("TRANSPOSE", yields=3))
    types = (text("in", Fit.FOLD), text("out", Fit.FOLD))
    yield from table((*counts, number("level", yields=1), *types), rows, width=paint.width)


def _in_floats(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.in_floats:
        return
    yield from heading("Quantized ops that NNAPI computes in floats, and why", paint)
    for index, cause in enumerate(report.in_floats):
        yield from [] if index == 0 else [""]
        ops = ", ".join(dict.fromkeys(place.op for place in cause.places))
        yield from wrapped(f"{cause.reason} {cause.title}: {count_words(len(cause.places), 'op')} ({ops})", "")
        if cause.multiply_adds:
            share = f"{cause.multiply_adds / 1e6:,.1f} of {report.multiply_adds / 1e6:,.1f} million"
            yield f"  work:   {share} multiply-adds"
        yield from wrapped(cause.because, "  why:    ")
        yield from wrapped(cause.fix, "  fix:    ")
        for fix in cause.alternatives:
            yield from wrapped(fix, "  or:     ")
        yield from _places([replace(place, found=place.op) for place in cause.places], FEW_PLACES)


def _blockers(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.blockers:
        return
    yield from heading("What stays on the CPU, and why", paint)
    alternatives = 0
    for index, blocker in enumerate(report.blockers):
        if not blocker.is_alternative:
            yield from [] if index == 0 else [""]
            yield from _blocker(blocker, paint)
            alternatives = 0
            continue
        alternatives += 1
        if alternatives <= ALTERNATIVES_SHOWN:
            yield from wrapped(f"{blocker.wanted} ({blocker.reason}). {blocker.fix}", "  or:     ")
        if index + 1 == len(report.blockers) or not report.blockers[index + 1].is_alternative:
            rest = alternatives - ALTERNATIVES_SHOWN
            yield from [f"          or {count_words(rest, 'other way')}"] if rest > 0 else []


def _blocker(blocker: BlockerView, paint: Paint) -> Iterator[str]:
    first, *rest = wrapped(f"{blocker.op}: {blocker.reason} {blocker.title}", "")
    yield paint.bold(blocker.op) + first.removeprefix(blocker.op)
    yield from rest
    yield from wrapped(blocker.because, "  why:    ")
    yield from wrapped(blocker.wanted, "  wanted: ")
    yield from wrapped(blocker.fix, "  fix:    ")
    yield from _places(blocker.places, PLACES_SHOWN)


def _places(places: Sequence[PlaceView], shown: int) -> Iterator[str]:
    """What was found where, all at one line together."""
    alike: dict[tuple[str, str], list[PlaceView]] = {}
    for place in places:
        alike.setdefault((place.found, line_words(place.file, place.line)), []).append(place)
    for (found, line), at in list(alike.items())[:shown]:
        modules = modules_words(tuple(dict.fromkeys(place.module for place in at if place.module)))
        where = " in ".join(words for words in (line, modules) if words) or "place not recorded"
        times = f" ({count_words(len(at), 'op')})" if len(at) > 1 else ""
        yield from wrapped(f"{found}{times}; {where}", "  found:  ")
    rest = sum(len(at) for at in list(alike.values())[shown:])
    if rest:
        yield f"          and {count_words(rest, 'more op')} at {count_words(len(alike) - shown, 'other line')}"


def _kept(report: ModelReport, paint: Paint) -> Iterator[str]:
    kept: dict[str, dict[str, int]] = {}
    # Of a model that the target does not carry, the verdict says why already.
    for node in report.nodes if report.misfit is None else ():
        if node.kept_because is not None and node.is_op:
            ops = kept.setdefault(node.kept_because, {})
            ops[node.op] = ops.get(node.op, 0) + 1
    if not kept:
        return
    yield from heading("NNAPI could run these as well, but they stay on the CPU", paint)
    for reason, ops in kept.items():
        names = ", ".join(f"{count} {op}" if count > 1 else op for op, count in ops.items())
        yield from wrapped(f"{count_words(sum(ops.values()), 'op')} ({names}): {reason}", "- ")


def _differences(report: ModelReport, paint: Paint, detail: Detail) -> Iterator[str]:
    if not report.differences:
        return
    if not detail.shows_differences:
        yield ""
        count = count_words(len(report.differences), "difference")
        yield from wrapped(f"{count} between PyTorch and NNAPI bridged, nothing to do (--differences lists them).", "")
        return
    yield from heading("Differences between PyTorch and NNAPI that were bridged", paint)
    rows = [(found.id, found.nodes, found.title) for found in report.differences]
    yield from table((text("difference"), number("ops"), text("what differs", Fit.FOLD)), rows, width=paint.width)
    yield "(`nnapi-check explain ID` tells the whole of each.)"


def _losses(report: ModelReport, paint: Paint) -> Iterator[str]:
    groups = loss_groups(report.losses, shown_score(report.score))
    if not groups:
        return
    yield from heading(
        f"Where the {tenths_words(sum(group.tenths for group in groups))} missing points were lost", paint
    )
    shown = [group for group in groups[:LOSSES_SHOWN] if group.tenths]
    rest = groups[len(shown) :]
    for group in shown:
        modules = modules_words(group.modules)
        words = f"{group.what}: {group.because}; {group.where}{f' in {modules}' if modules else ''}"
        yield from wrapped(words, f"{tenths_words(group.tenths):>5}  ")
    if rest:
        words = count_words(len(rest), "smaller cause")
        yield f"{tenths_words(sum(group.tenths for group in rest)):>5}  {words}"
