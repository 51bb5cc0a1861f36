"""Where a model's work is done: multiply-adds in integers, in floats and on the CPU, and why integers became floats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nnapi_check.analyzer.planning.counted_work import Counted, Split
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.reports.views import InFloatsView, NodeView, PlaceView, WorkView


def uncounted_notes(work: Counted, survey: Survey) -> Iterator[str]:
    """A note on what is not counted, where there is such."""
    found = Counter(survey.nodes[node].op for node in sorted(work.uncounted))
    if found:
        names = ", ".join(f"{count} {op}" for op, count in sorted(found.items()))
        yield (
            f"The multiply-adds of {names} are not known, for want of a shape or a card: they are not counted, and "
            "shares of the work are the most that they can be."
        )


def work_view(split: Split) -> WorkView:
    """The same numbers as a report holds them."""
    return WorkView(split.integers, split.floats, split.cpu)


def in_floats(nodes: Sequence[NodeView]) -> tuple[InFloatsView, ...]:
    """Nodes on quantized tensors that NNAPI computes in floats, those of one cause together, with most work first."""
    groups: dict[tuple[tuple[str, str], ...], list[NodeView]] = {}
    for node in nodes:
        if node.in_floats and node.part is not None:
            groups.setdefault(tuple((found.requirement, found.fix) for found in node.in_floats), []).append(node)
    found = [_cause(members) for members in groups.values()]
    return tuple(sorted(found, key=lambda cause: (-cause.multiply_adds, -len(cause.places))))


def _cause(members: Sequence[NodeView]) -> InFloatsView:
    first, *others = members[0].in_floats
    nearest = [first, *(failure for failure in others if failure.way == first.way)]
    return InFloatsView(
        reason=first.reason,
        title=first.title,
        because=_joined([failure.because for failure in nearest]),
        fix=_joined([failure.fix for failure in nearest]),
        alternatives=tuple(dict.fromkeys(failure.fix for failure in others if failure.way != first.way)),
        multiply_adds=sum(node.multiply_adds for node in members),
        places=tuple(
            PlaceView(node.op, node.module, node.file, node.line, node.in_floats[0].found) for node in members
        ),
    )


def _joined(sentences: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(sentences))


def shown_share(share: float, *, uncounted: int) -> str:
    """A share of multiply-adds in words. Of ops that cannot be counted all that is known is that NNAPI has none."""
    return as_far_as_known(f"{share:.1%}", share, uncounted=uncounted)


def as_far_as_known(percent: str, share: float, *, uncounted: int) -> str:
    """What is shown of a share in percent: where some work cannot be counted, the most that it can be."""
    if not uncounted or not share:
        return percent
    return "not known" if percent in ("100%", "100.0%") else f"at most {percent}"


def shares(work: WorkView, *, uncounted: int) -> tuple[str, str, str]:
    """The shares of integers, of floats and of the CPU in words."""
    total = work.integers + work.floats + work.cpu
    cpu = f"{work.cpu / total if total else 0:.1%}"
    integers, floats = (
        shown_share(part / total if total else 0, uncounted=uncounted) for part in (work.integers, work.floats)
    )
    return integers, floats, f"at least {cpu}" if uncounted else cpu


def work_words(work: WorkView, *, uncounted: int) -> str:
    """In what multiply-adds are computed, and where."""
    integers, floats, cpu = shares(work, uncounted=uncounted)
    return f"{integers} in integers, {floats} in floats, {cpu} on the CPU"
