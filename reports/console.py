"""The report for a terminal: readable at 80 columns, colored only where the caller allows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shares, shown_share, work_words
from nnapi_check.reports.if_quantized_text import if_quantized_lines
from nnapi_check.reports.table import Fit, number, table, text
from nnapi_check.reports.terminal import Paint, wrapped
from nnapi_check.reports.views import (
    BlockerView,
    LevelView,
    ModelReport,
    NodeView,
    NumbersView,
    PlaceView,
    VerificationView,
)

PLACES_SHOWN = 5
FEW_PLACES = 3
ALTERNATIVES_SHOWN = 2
LOSSES_SHOWN = 8
LAYERS_SHOWN = 12
FLOAT16_WORDS = "With float16's numbers, which --relaxed lets drivers compute with; not held to the tolerance:"


def to_text(report: ModelReport, paint: Paint) -> str:
    """The whole report as text."""
    return "\n".join(_lines(report, paint)) + "\n"


def _lines(report: ModelReport, paint: Paint) -> Iterator[str]:
    yield from _headline(report, paint)
    yield from _levels(report, paint)
    yield from _parts(report, paint)
    yield from _in_floats(report, paint)
    yield from _blockers(report, paint)
    yield from _kept(report, paint)
    yield from _differences(report, paint)
    yield from _losses(report, paint)
    if report.if_quantized is not None:
        yield from if_quantized_lines(report.if_quantized, paint)
    if report.verification is not None:
        yield from verification_lines(report.verification, paint)
    if not report.gate.is_passed:
        yield from _heading("Gate not passed", paint)
        for reason in report.gate.reasons:
            yield from wrapped(reason, "- ")


def _headline(report: ModelReport, paint: Paint) -> Iterator[str]:
    android = f"API level {report.api_level}, " if report.api_level is not None else ""
    level = f"{android}feature level {report.feature_level}"
    yield f"{paint.bold(report.model)} for NNAPI at {level}, target {report.target}"
    words = f"{report.readiness}  (score {shown_score(report.score)} of 100)"
    yield f"Verdict: {paint.readiness(report.readiness, words)}"
    if report.misfit is not None:
        yield from wrapped(report.misfit.because, "  why: ")
        yield from wrapped(report.misfit.fix, "  fix: ")
    if report.target_because:
        yield from wrapped(report.target_because, "Target: ")
    yield (
        f"{report.nodes_on_nnapi} of {report.nodes_total} ops on NNAPI, "
        f"{_work(report)}, in {_count(len(report.parts), 'part')}"
    )
    if report.is_quantized and report.multiply_adds:
        yield from wrapped(f"{work_words(report.work, uncounted=report.uncounted)}.", "Multiply-adds: ")
    if report.lowest_ready_level is not None and report.lowest_ready_level != report.feature_level:
        yield f"Ready from feature level {report.lowest_ready_level} on."
    elif report.lowest_ready_level is None:
        yield "No feature level holds all of it in one part."
    for note in report.notes:
        yield from wrapped(note, "Note: ")
    if any(node.bound is not None and node.part is not None for node in report.nodes):
        yield from wrapped(report.tolerance, "Tolerance: ")


def _work(report: ModelReport) -> str:
    share = shown_share(report.compute_coverage, uncounted=report.uncounted)
    if not report.uncounted:
        return f"{share} of {report.multiply_adds / 1e6:,.1f} million multiply-adds"
    return f"{'an unknown share' if share == 'not known' else share} of the multiply-adds"


def _levels(report: ModelReport, paint: Paint) -> Iterator[str]:
    yield from _heading("Feature levels", paint)
    is_split = report.is_quantized and report.multiply_adds > 0
    rows = [
        (
            str(row.level) + (" <" if row.level == report.feature_level else ""),
            row.android if row.api_levels else "updates only" if is_split else "updates, no API level",
            row.readiness,
            shown_score(row.score),
            row.parts,
            *(_split(row, report) if is_split else (shown_share(row.compute_coverage, uncounted=report.uncounted),)),
        )
        for row in report.levels
    ]
    where = ("integers", "floats", "CPU") if is_split else ("compute",)
    words = (text("level"), text("comes with"), text("verdict", Fit.FOLD))
    yield from table((*words, number("score"), number("parts"), *(number(name) for name in where)), rows)


def _split(row: LevelView, report: ModelReport) -> Iterator[str]:
    for share in shares(row.work, uncounted=report.uncounted):
        yield share.replace("at most", "≤").replace("at least", "≥")


def _parts(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.parts:
        return
    yield from _heading("Parts that become NNAPI models", paint)
    rows = [
        (
            part.index,
            part.ops,
            part.operations,
            part.transposes,
            part.level,
            ", ".join(part.inputs),
            ", ".join(part.outputs),
        )
        for part in report.parts
    ]
    counts = (number(heading) for heading in ("part", "ops", "operations", "TRANSPOSE", "level"))
    yield from table((*counts, text("in", Fit.CUT), text("out", Fit.CUT)), rows)


def _in_floats(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.in_floats:
        return
    yield from _heading("Quantized ops that NNAPI computes in floats, and why", paint)
    for index, cause in enumerate(report.in_floats):
        yield from [] if index == 0 else [""]
        ops = ", ".join(dict.fromkeys(place.op for place in cause.places))
        yield from wrapped(f"{cause.reason} {cause.title}: {_count(len(cause.places), 'op')} ({ops})", "")
        if cause.multiply_adds:
            share = f"{cause.multiply_adds / 1e6:,.1f} of {report.multiply_adds / 1e6:,.1f} million"
            yield f"  work:   {share} multiply-adds"
        yield from wrapped(cause.because, "  why:    ")
        yield from wrapped(cause.fix, "  fix:    ")
        for fix in cause.alternatives:
            yield from wrapped(fix, "  or:     ")
        for place in cause.places[:FEW_PLACES]:
            yield from wrapped(f"{place.op}; {place_words(place)}", "  found:  ")
        yield from _more(cause.places, FEW_PLACES)


def _blockers(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.blockers:
        return
    yield from _heading("What stays on the CPU, and why", paint)
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
            yield from [f"          or {_count(rest, 'other way')}"] if rest > 0 else []


def _blocker(blocker: BlockerView, paint: Paint) -> Iterator[str]:
    first, *rest = wrapped(f"{blocker.op}: {blocker.reason} {blocker.title}", "")
    yield paint.bold(blocker.op) + first.removeprefix(blocker.op)
    yield from rest
    yield from wrapped(blocker.because, "  why:    ")
    yield from wrapped(blocker.wanted, "  wanted: ")
    yield from wrapped(blocker.fix, "  fix:    ")
    for place in blocker.places[:PLACES_SHOWN]:
        yield from wrapped(f"{place.found}; {place_words(place)}", "  found:  ")
    yield from _more(blocker.places, PLACES_SHOWN)


def _more(places: Sequence[PlaceView], shown: int) -> Iterator[str]:
    if len(places) > shown:
        yield f"          and {_count(len(places) - shown, 'more place')}"


def place_words(place: PlaceView | NodeView) -> str:
    """Where a node stands: its module and its source line."""
    line = f"{place.file}:{place.line}" if place.file is not None else ""
    return " at ".join(part for part in (place.module, line) if part) or "place not recorded"


def _kept(report: ModelReport, paint: Paint) -> Iterator[str]:
    kept: dict[str, list[str]] = {}
    # Of a model that the target does not carry, the verdict says why already.
    for node in report.nodes if report.misfit is None else ():
        if node.kept_because is not None:
            kept.setdefault(node.kept_because, []).append(node.op)
    if not kept:
        return
    yield from _heading("Supported ops that stay on the CPU", paint)
    for reason, ops in kept.items():
        names = ", ".join(dict.fromkeys(ops))
        yield from wrapped(f"{_count(len(ops), 'op')} ({names}): {reason}", "- ")


def _differences(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.differences:
        return
    yield from _heading("Differences between PyTorch and NNAPI that were bridged", paint)
    rows = [(found.id, found.nodes, found.title) for found in report.differences]
    yield from table((text("difference"), number("ops"), text("what differs", Fit.FOLD)), rows)
    yield "(`nnapi-check explain ID` tells the whole of each.)"


def _losses(report: ModelReport, paint: Paint) -> Iterator[str]:
    if not report.losses:
        return
    yield from _heading(f"Where {100 - report.score:.2f} points were lost", paint)
    shown = report.losses[:LOSSES_SHOWN]
    rows = [(f"{loss.points:.2f}", loss.kind, loss.what, loss.where) for loss in shown]
    yield from table((number("points"), text("because"), text("what", Fit.CUT), text("where", Fit.CUT)), rows)
    rest = report.losses[LOSSES_SHOWN:]
    if rest:
        yield f"and {sum(loss.points for loss in rest):.2f} points in {_count(len(rest), 'more place')}"


def verification_lines(found: VerificationView, paint: Paint) -> Iterator[str]:
    """The measured numbers of a conversion."""
    yield from _heading("Numbers against PyTorch", paint)
    yield from wrapped(
        f"Ran in {found.ran_in}, feature level {found.level}, {_count(found.executions, 'NNAPI model')}.", ""
    )
    columns = (text("value"), text("type", Fit.CUT), number("allowed"), *_MEASURES)
    yield from table(columns, [_output(numbers) for numbers in found.outputs])
    words = "within" if found.is_within_tolerance else "NOT WITHIN"
    yield from wrapped(f"{words} tolerance ({found.tolerance})", "")
    if found.float16:
        yield from ["", *wrapped(FLOAT16_WORDS, "")]
        columns = (text("value"), text("type", Fit.CUT), *_MEASURES)
        yield from table(columns, [_row(numbers) for numbers in found.float16])
    for note in found.notes:
        yield from wrapped(note, "Note: ")
    if found.layers:
        yield from _heading("Layer by layer, worst first, each on PyTorch's own inputs of its part", paint)
        rows = [(layer.op, layer.where, *_row(layer.numbers)[2:]) for layer in found.layers[:LAYERS_SHOWN]]
        yield from table((text("op", Fit.CUT), text("where", Fit.CUT), *_MEASURES), rows)
        if len(found.layers) > LAYERS_SHOWN:
            yield f"and {len(found.layers) - LAYERS_SHOWN} layers that are closer"


_MEASURES = tuple(number(heading) for heading in ("max error", "relative", "SNR dB", "steps off"))


def _output(numbers: NumbersView) -> tuple[str, ...]:
    name, kind, *measures = _row(numbers)
    return (name, kind, "" if numbers.tolerance is None else f"{numbers.tolerance:.2g}", *measures)


def _row(numbers: NumbersView) -> tuple[str, ...]:
    steps = "" if numbers.steps is None else f"{numbers.steps} on {numbers.steps_share or 0:.2%}"
    noise = "exact" if numbers.signal_to_noise is None else f"{numbers.signal_to_noise:.1f}"
    return (
        numbers.name,
        numbers.type,
        f"{numbers.max_absolute:.2e}",
        f"{numbers.max_relative:.2e}",
        noise,
        steps,
    )


def _heading(words: str, paint: Paint) -> Iterator[str]:
    yield ""
    yield paint.bold(words)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
