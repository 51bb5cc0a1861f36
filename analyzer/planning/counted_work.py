"""Where a graph's multiply-adds are computed by a plan: in integers, in floats, or on the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.judging.arithmetic import Arithmetic
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.score import counts
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.analyzer.planning.work import multiply_adds
from nnapi_check.coverage_db.cards import Status


@dataclass(frozen=True, slots=True)
class Split:
    """The multiply-adds that NNAPI computes in integers and in floats, and those that are left to the CPU."""

    integers: int
    floats: int
    cpu: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.integers + self.floats + self.cpu

    @property
    def share(self) -> float | None:
        """The share that runs on NNAPI, from 0 to 1; None where there are no multiply-adds."""
        return (self.integers + self.floats) / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Counted:
    """The multiply-adds of each node, 0 for those ``uncounted``, of which they are not known."""

    work: Mapping[int, int]
    uncounted: frozenset[int]

    def split(self, plan: Plan) -> Split:
        """What a plan lets NNAPI compute in integers and in floats, and what it leaves to the CPU."""
        return self.split_of(plan, plan.verdicts)

    def split_of(self, plan: Plan, nodes: Iterable[int]) -> Split:
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
        return Split(integers, floats, cpu)

    def coverage(self, plan: Plan) -> float:
        """The share of multiply-adds that runs on NNAPI, from 0 to 1; of nodes, where there are no multiply-adds."""
        share = self.split(plan).share
        if share is not None:
            return share
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
