"""Where a model's work is done: multiply-adds in integers, in floats and on the CPU, and why integers became floats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.judging.arithmetic import Arithmetic
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.score import counts
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.analyzer.planning.work import multiply_adds
from nnapi_check.coverage_db.cards import Status
from nnapi_check.reports.views import InFloatsView, NodeView, PlaceView, WorkView


@dataclass(frozen=True, slots=True)
class Counted:
    """The multiply-adds of each node, 0 for those ``uncounted``, of which they are not known."""

    work: Mapping[int, int]
    uncounted: frozenset[int]

    def notes(self, survey: Survey) -> Iterator[str]:
        """A note on what is not counted, where there is such."""
        found = Counter(survey.nodes[node].op for node in sorted(self.uncounted))
        if found:
            names = ", ".join(f"{count} {op}" for op, count in sorted(found.items()))
            yield (
                f"The multiply-adds of {names} are not known, for want of a shape or a card: they are not counted, and "
                "shares of the work are the most that they can be."
            )

    def split(self, plan: Plan) -> WorkView:
        """What a plan lets NNAPI compute in integers and in floats, and what it leaves to the CPU."""
        return self.split_of(plan, plan.verdicts)

    def split_of(self, plan: Plan, nodes: Iterable[int]) -> WorkView:
        """The same of these nodes alone."""
        inside = plan.partition.part_of()
        integers = floats = cpu = 0
        for node in nodes:
            if node not in inside:
                cpu += self.work[node]
            elif plan.verdicts[node].arithmetic is Arithmetic.INTEGERS:
                integers += self.work[node]
            else:
                floats += self.work[node]
        return WorkView(integers, floats, cpu)

    def coverage(self, plan: Plan) -> float:
        """The share of multiply-adds that runs on NNAPI, from 0 to 1; of nodes, where there are no multiply-adds."""
        found = self.split(plan)
        total = found.integers + found.floats + found.cpu
        if total:
            return (found.integers + found.floats) / total
        inside = plan.partition.part_of()
        judged = [node for node, verdict in plan.verdicts.items() if counts(verdict)]
        return sum(1 for node in judged if node in inside) / len(judged) if judged else 0.0


def counted(survey: Survey, plan: Plan) -> Counted:
    """Count the multiply-adds of every node that is judged: not of one of unknown shapes, or of an unknown op."""
    known = {
        node: None if verdict.status is Status.UNKNOWN else multiply_adds(survey.nodes[node], survey.graph)
        for node, verdict in plan.verdicts.items()
    }
    uncounted = frozenset(node for node, found in known.items() if found is None)
    return Counted({node: found or 0 for node, found in known.items()}, uncounted)


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
    percent = f"{share:.1%}"
    if not uncounted or not share:
        return percent
    return f"at most {percent}" if percent != "100.0%" else "not known"


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
