"""A model at each of the sizes that its inputs are to have: how it is called there, and one report on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nnapi_check.analyzer.capture.capture import Captured, Inputs, Model
from nnapi_check.analyzer.inputs.sizes import parse_sizes, resized_call, resized_types
from nnapi_check.pipeline import Checked, Request, capture_model, check_model, registry_of
from nnapi_check.progress import Progress
from nnapi_check.reports.sizes_view import of_all_sizes
from nnapi_check.reports.views import ModelReport


@dataclass(frozen=True, slots=True)
class SizedCalls:
    """How a model is called at each size. ``captured`` tells what it takes, and is None where no sizes are chosen."""

    calls: tuple[Inputs | None, ...]
    captured: Captured | None = None


def sized_calls(model: Model, inputs: Inputs | None, request: Request, progress: Progress) -> SizedCalls:
    """How a model is called at each of the sizes asked for. Raises ``InputError`` for one that it does not take."""
    chosen = parse_sizes(request.sizes)
    if not chosen:
        return SizedCalls((inputs,))
    progress.stage("capturing")
    captured = capture_model(model, inputs, replace(request, stands_in=False), registry_of(request))
    names = captured.input_layout.names
    every = [resized_types(names, captured.input_types, captured.taken, one) for one in chosen]
    calls = [resized_call(captured.reference_call, types) for types in dict.fromkeys(every)]
    return SizedCalls(tuple(calls), captured)


def checked_at_sizes(
    model: Model, inputs: Inputs | None, request: Request, progress: Progress, *, weights: bool = False
) -> tuple[Checked, ...]:
    """Check a model at each of the sizes that are asked for, in their order; at its own where none are."""
    sized = sized_calls(model, inputs, request, progress)
    one = request if sized.captured is None else replace(request, stands_in=False)
    return tuple(check_model(model, call, one, progress, weights=weights) for call in sized.calls)


def report_on(checks: Sequence[Checked]) -> ModelReport:
    """The report on a model at its sizes."""
    return of_all_sizes([checked.report for checked in checks])
