"""How a model compares with its baseline, as text."""

from __future__ import annotations

from collections.abc import Iterator

from nnapi_check.reports.table import Fit, table, text
from nnapi_check.reports.terminal import Paint, wrapped
from nnapi_check.reports.views import ChangeView, ComparisonView


def comparison_lines(comparison: ComparisonView, paint: Paint) -> Iterator[str]:
    """A table of what is told of both, and what the baseline lets pass."""
    yield ""
    yield paint.bold("Compared with the baseline")
    yield from wrapped(
        f"{comparison.baseline}, of nnapi-check {comparison.tool_version} with PyTorch {comparison.torch_version}", ""
    )
    rows = [(change.what, change.before, change.after, change.effect) for change in shown_changes(comparison)]
    yield from table((text("what", Fit.FOLD), text("baseline"), text("now"), text("so it is")), rows)
    for reason in comparison.accepted:
        yield from wrapped(reason, "Fails the gate, as the baseline did, and so is let pass: ")


def shown_changes(comparison: ComparisonView) -> tuple[ChangeView, ...]:
    """The changes, what is worse first."""
    order = ("worse", "better", "same")
    return tuple(sorted(comparison.changes, key=lambda change: order.index(change.effect)))


def comparison_sentence(comparison: ComparisonView) -> str:
    """What changed, in one line."""
    changed = [change for change in shown_changes(comparison) if change.before != change.after]
    if not changed:
        return f"As the baseline {comparison.baseline}: nothing changed."
    words = "; ".join(f"{change.what} {change.before} → {change.after} ({change.effect})" for change in changed)
    return f"Compared with the baseline {comparison.baseline}: {words}."
