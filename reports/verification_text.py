"""The measured numbers of a conversion, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from nnapi_check.reports.table import Fit, number, table, text
from nnapi_check.reports.terminal import Paint, count_words, heading, wrapped
from nnapi_check.reports.views import NumbersView, VerificationView

LAYERS_SHOWN = 12
FLOAT16_WORDS = "With float16's numbers, which --relaxed lets drivers compute with; not held to the tolerance:"


def verification_lines(found: VerificationView, paint: Paint) -> Iterator[str]:
    """The measured numbers of a conversion."""
    yield from heading("Numbers against PyTorch", paint)
    yield from wrapped(
        f"Ran in {found.ran_in}, feature level {found.level}, {count_words(found.executions, 'NNAPI model')}.", ""
    )
    columns = [text("value"), text("type", yields=1), number("allowed"), *_MEASURES]
    yield from table(columns, [_output(numbers) for numbers in found.outputs], width=paint.width)
    if found.is_within_tolerance:
        yield "Within tolerance: no output is off by more than is allowed."
    else:
        yield "NOT WITHIN tolerance: an output is off by more than is allowed."
    yield from wrapped(f"{found.tolerance}.", "  allowed: ")
    if found.float16:
        yield from ["", *wrapped(FLOAT16_WORDS, "")]
        columns = [text("value"), text("type", yields=1), *_MEASURES]
        yield from table(columns, [_row(numbers) for numbers in found.float16], width=paint.width)
    for note in found.notes:
        yield from wrapped(note, "Note: ")
    if found.layers:
        yield from heading("Layer by layer, worst first, each on PyTorch's own inputs of its part", paint)
        rows = [(layer.op, layer.where, *_row(layer.numbers)[2:]) for layer in found.layers[:LAYERS_SHOWN]]
        measures = _MEASURES if any(row[-1] for row in rows) else _MEASURES[:-1]
        layers = [text("op"), text("where", Fit.FOLD), *measures]
        yield from table(layers, [row[: len(layers)] for row in rows], width=paint.width)
        if len(found.layers) > LAYERS_SHOWN:
            yield f"and {len(found.layers) - LAYERS_SHOWN} layers that are closer"


_MEASURES = (number("max error"), number("relative", yields=3), number("SNR dB", yields=2), number("steps off"))


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
