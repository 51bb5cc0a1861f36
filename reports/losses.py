"""Where the points of a score were lost: each loss with the op that is to blame, and those of one cause together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Graph, Node, NodeOutput, Reader, readers_of
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.score import Loss, LossKind
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.reports.naming import line_words, place_words, type_words
from nnapi_check.reports.views import LossView

ON_CPU = "on the CPU"
CROSSES = "crosses a boundary"
BETWEEN_PARTS = "crosses between parts"
APPROXIMATE = "approximate"
IN_FLOATS = "integers as floats"
NOT_CARRIED = "not carried"


def loss_views(survey: Survey, plan: Plan) -> Iterator[LossView]:
    """Every loss of a plan, largest first."""
    readers = readers_of(survey.graph, with_constants=False)
    inside = plan.partition.part_of()
    for loss in plan.score.losses:
        match loss.kind:
            case LossKind.NODE:
                fix = next((failure.fix for failure in plan.verdicts[loss.id].failures), "")
                yield _of_node(loss, ON_CPU, survey.nodes[loss.id], fix)
            case LossKind.BOUNDARY:
                yield _of_value(loss, survey, inside, readers)
            case LossKind.TARGET:
                yield LossView(loss.points, NOT_CARRIED, survey.target.name, f"feature level {plan.level}")
            case LossKind.APPROXIMATION:
                yield _of_node(loss, APPROXIMATE, survey.nodes[loss.id])
            case LossKind.IN_FLOATS:
                yield _of_node(loss, IN_FLOATS, survey.nodes[loss.id], plan.verdicts[loss.id].in_floats[0].fix)


def _of_node(loss: Loss, kind: str, node: Node, fix: str = "") -> LossView:
    at = node.source
    return LossView(loss.points, kind, node.op, place_words(at), fix, node.op, at.module, at.file, at.line)


def _of_value(
    loss: Loss, survey: Survey, inside: Mapping[int, int], readers: Mapping[int, Sequence[Reader]]
) -> LossView:
    kind = type_words(survey.graph, loss.id)
    node = _crossed_for(survey.graph, loss.id, inside, readers)
    if node is None:
        return LossView(loss.points, CROSSES, kind, f"value {loss.id}")
    blamed = survey.nodes[node]
    at, where = blamed.source, place_words(blamed.source)
    way = BETWEEN_PARTS if node in inside else CROSSES
    return LossView(loss.points, way, kind, where, "", blamed.op, at.module, at.file, at.line)


def _crossed_for(
    graph: Graph, value: int, inside: Mapping[int, int], readers: Mapping[int, Sequence[Reader]]
) -> int | None:
    """The op that a value crosses a boundary for: the one on the CPU that makes or reads it, or else one that reads it
    in another part, or made it."""
    origin = graph.values[value].origin
    maker = origin.node if isinstance(origin, NodeOutput) else None
    if maker is not None and maker not in inside:
        return maker
    reading = [reader for reader in readers[value] if isinstance(reader, int)]
    outside = (reader for reader in reading if reader not in inside)
    others = (reader for reader in reading if maker is None or inside.get(reader) != inside[maker])
    return next(outside, next(others, maker))


@dataclass(frozen=True, slots=True)
class LossGroup:
    """What one cause lost: an op that stands at one line, in one module or several.

    ``tenths`` are its points as they are shown: those of all groups sum to what is missing of the shown score.
    ``ops`` counts those not on NNAPI, or not exact there, and ``crossings`` the tensors that cross a boundary for them.
    """

    tenths: int
    points: float
    kind: str
    op: str
    where: str
    modules: tuple[str, ...]
    ops: int
    crossings: int

    @property
    def because(self) -> str:
        """Why the points are lost, in words."""
        tensors = f"{self.crossings} tensor{'' if self.crossings == 1 else 's'}"
        if self.kind == BETWEEN_PARTS:
            return f"{tensors} from another part"
        if self.kind == CROSSES:
            return f"{tensors} to and from the CPU"
        return f"{self.kind}, {tensors} to and from it" if self.crossings else self.kind

    @property
    def what(self) -> str:
        """The op, with its number where there are several."""
        return f"{self.ops} {self.op}" if self.ops > 1 else self.op


def loss_groups(losses: Sequence[LossView], shown_score: str) -> tuple[LossGroup, ...]:
    """The losses by their cause, largest first; the points that are shown sum to 100 less the score that is shown."""
    causes: dict[tuple[str, str, str], list[LossView]] = {}
    for loss in losses:
        # What crosses a boundary is lost to the op on the CPU that it crosses it for.
        kind = ON_CPU if loss.kind == CROSSES and loss.op else loss.kind
        causes.setdefault((kind, loss.op or loss.what, line_words(loss.file, loss.line) or loss.where), []).append(loss)
    found = sorted(causes.items(), key=lambda cause: -sum(loss.points for loss in cause[1]))
    shown = _rounded([sum(loss.points for loss in members) for _, members in found], _tenths(shown_score))
    return tuple(
        _group(kind, op, where, members, tenths)
        for ((kind, op, where), members), tenths in zip(found, shown, strict=True)
    )


def tenths_words(tenths: int) -> str:
    """Points that are counted in tenths."""
    return f"{tenths / 10:.1f}"


def _group(kind: str, op: str, where: str, members: Sequence[LossView], tenths: int) -> LossGroup:
    crossings = sum(1 for loss in members if loss.kind in (CROSSES, BETWEEN_PARTS))
    return LossGroup(
        tenths=tenths,
        points=sum(loss.points for loss in members),
        kind=kind if crossings < len(members) else members[0].kind,
        op=op,
        where=where,
        modules=tuple(dict.fromkeys(loss.module for loss in members if loss.module)),
        ops=len(members) - crossings,
        crossings=crossings,
    )


def _tenths(shown_score: str) -> int:
    return 1000 - round(10 * float(shown_score))


def _rounded(points: Sequence[float], tenths: int) -> list[int]:
    """Points in tenths that sum to these: each rounded down, and those with the largest rest one up."""
    exact = [10 * found for found in points]
    down = [int(found) for found in exact]
    by_rest = sorted(range(len(exact)), key=lambda place: (down[place] - exact[place], place))
    for place in by_rest[: tenths - sum(down)]:
        down[place] += 1
    return down
