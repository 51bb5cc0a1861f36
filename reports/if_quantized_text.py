"""What quantizing a model of floats would bring, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import work_words
from nnapi_check.reports.terminal import Paint, count_words, wrapped
from nnapi_check.reports.views import IfQuantizedView, PlaceView

_MEGABYTE = 1e6
SHOWN = 6


def if_quantized_lines(found: IfQuantizedView, paint: Paint) -> Iterator[str]:
    """The lines of the section."""
    yield ""
    yield paint.bold("If it were quantized, with one scale for each tensor")
    words = f"{found.readiness}  (score {shown_score(found.score)} of 100)"
    yield f"Verdict: {paint.readiness(found.readiness, words)}, in {count_words(found.parts, 'part')}"
    if found.multiply_adds:
        yield from wrapped(f"{work_words(found.work, uncounted=found.uncounted)}.", "Multiply-adds: ")
    before, after = (f"{size / _MEGABYTE:,.1f} MB" for size in (found.weights_bytes_now, found.weights_bytes))
    yield f"Weights: {before} now, {after} then"
    yield from _group(
        "Not quantized, and so in floats:", [(view.places, view.multiply_adds, view.because) for view in found.stays]
    )
    yield from _group(
        "Quantized, but computed in floats by NNAPI:",
        [(view.places, view.multiply_adds, f"{view.reason} {view.because}") for view in found.in_floats],
    )
    if found.cpu_ops:
        yield f"On the CPU: {count_words(found.cpu_ops, 'op')}"
    yield from _group(
        "", [(view.places, 0, f"{view.reason} {view.because}") for view in found.blockers if not view.is_alternative]
    )
    yield from wrapped(found.assumption, "")


def _group(heading: str, items: Sequence[tuple[Sequence[PlaceView], int, str]]) -> Iterator[str]:
    if not items:
        return
    yield from [heading] if heading else []
    for places, work, because in items[:SHOWN]:
        ops = ", ".join(dict.fromkeys(place.op for place in places))
        share = f", {work / 1e6:,.1f} million multiply-adds" if work else ""
        yield from wrapped(f"{count_words(len(places), 'op')} ({ops}){share}: {because.rstrip('.')}.", "- ")
    if len(items) > SHOWN:
        yield f"- and for {count_words(len(items) - SHOWN, 'other reason')}"
