"""What keeps a model's ops off NNAPI, or in floats or less exact there: nodes by one cause, mended together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.capture.program_ops import is_of_the_program
from nnapi_check.analyzer.graph import Node, read_values
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.score import LossKind, counts
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.cards import Status

OF_TENSORS = frozenset({"element-type", "elements", "rank", "size"})
"""The requirements that hold for every tensor."""

NEEDS_LEVEL = "NNC201"
"""The reason code of ways that a higher level opens."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Nodes that are not where they should be for one reason, in execution order.

    ``needed`` is all that is in the way of the nearest way: each has to be mended. ``others`` open another way by
    themselves. ``level`` is set where nothing is needed but that feature level. ``lost`` are the points of the nodes
    themselves and of what crosses boundaries for them. With ``in_floats`` they are on NNAPI, and lose for that; those
    that are ``near`` are there as well, and their numbers come near to PyTorch's only.
    """

    ops: tuple[str, ...]
    nodes: tuple[int, ...]
    needed: tuple[Failure, ...]
    others: tuple[Failure, ...]
    level: int | None
    lost: float
    in_floats: bool = False
    near: bool = False

    @property
    def fix(self) -> str:
        """All that has to be done, in words."""
        return " ".join(dict.fromkeys(failure.fix for failure in self.needed))


def causes(survey: Survey, plan: Plan) -> tuple[Cause, ...]:
    """What keeps ops of a plan off NNAPI, or in floats, by what it lost, the most first."""
    losses = _losses(survey, plan)
    inside = plan.partition.part_of()
    groups: dict[tuple[object, ...], list[int]] = {}
    for node, verdict in plan.verdicts.items():
        key = _key(verdict, survey.nodes[node], is_inside=node in inside)
        if key is not None:
            groups.setdefault(key, []).append(node)
    found = (_cause(members, plan.verdicts, losses) for members in groups.values())
    return tuple(sorted(found, key=lambda cause: (-cause.lost, cause.nodes)))


def _key(verdict: NodeVerdict, node: Node, *, is_inside: bool) -> tuple[object, ...] | None:
    """What nodes of one cause have in common; None of a node that is well where it is, or that no edit of it mends."""
    if verdict.in_floats:
        return (verdict.op, True, *((failure.reason, failure.fix) for failure in verdict.in_floats))
    if verdict.status is Status.APPROXIMATE and is_inside:
        return (verdict.op, Status.APPROXIMATE)
    # Branches and loops are the program's as well, and what decides them can be written otherwise.
    is_passing = is_of_the_program(verdict.op) and not node.blocks
    if verdict.is_supported or is_passing or not verdict.failures:
        return None
    needed, _ = parted(verdict.failures)
    level = _level(needed)
    if level is not None:
        return (level,)
    # What NNAPI demands of every tensor is one cause, whatever op reads it.
    is_general = all(not failure.way and failure.requirement in OF_TENSORS for failure in needed)
    op = "" if is_general else next((failure.cause for failure in needed if failure.cause), verdict.op)
    return (op, False, *((failure.reason, failure.requirement, failure.fix) for failure in needed))


def _cause(nodes: Sequence[int], verdicts: Mapping[int, NodeVerdict], losses: Mapping[int, float]) -> Cause:
    members = [verdicts[node] for node in nodes]
    first = members[0]
    is_in_floats = bool(first.in_floats)
    needed, others = parted(first.in_floats or first.failures)
    ops = dict.fromkeys(
        next((failure.cause for failure in verdict.failures if failure.cause), verdict.op) for verdict in members
    )
    lost = sum(losses.get(node, 0.0) for node in nodes)
    is_near = not is_in_floats and first.status is Status.APPROXIMATE
    return Cause(tuple(ops), tuple(nodes), needed, others, _level(needed), lost, is_in_floats, is_near)


def parted(failures: Sequence[Failure]) -> tuple[tuple[Failure, ...], tuple[Failure, ...]]:
    """All that is in the way of the nearest way, and what opens another way by itself."""
    ways = list(dict.fromkeys(failure.way for failure in failures if failure.way))
    by_level = (way for way in ways if _level([failure for failure in failures if failure.way == way]) is not None)
    nearest = next(by_level, ways[0] if ways else "")
    needed = tuple(failure for failure in failures if failure.way in ("", nearest))
    return needed, tuple(failure for failure in failures if failure.way not in ("", nearest))


def _level(needed: Iterable[Failure]) -> int | None:
    """The level that alone is needed, None where there is more."""
    wanted = [int(failure.wanted.split()[2]) if failure.reason == NEEDS_LEVEL else None for failure in needed]
    levels = [level for level in wanted if level is not None]
    return max(levels) if levels and len(levels) == len(wanted) else None


def _losses(survey: Survey, plan: Plan) -> dict[int, float]:
    """What each node loses, with what crosses a boundary because of it."""
    found: dict[int, float] = {}
    touching: dict[int, list[int]] = {}
    for id_, verdict in plan.verdicts.items():
        if not verdict.is_supported and counts(verdict):
            node = survey.nodes[id_]
            for value in (*read_values(node), *node.outputs):
                touching.setdefault(value, []).append(id_)
    for loss in plan.score.losses:
        match loss.kind:
            case LossKind.BOUNDARY:
                near = touching.get(loss.id, [])
                for id_ in near:
                    found[id_] = found.get(id_, 0.0) + loss.points / len(near)
            case LossKind.NODE | LossKind.IN_FLOATS | LossKind.APPROXIMATION:
                found[loss.id] = found.get(loss.id, 0.0) + loss.points
            case LossKind.TARGET:
                pass
    return found
