"""From a survey and its lowered parts to the report's plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.judging.arithmetic import is_quantized
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.judging.judge import LEVELS, met_differences
from nnapi_check.analyzer.planning.counted_work import Counted, counted
from nnapi_check.analyzer.planning.partition import TOO_SMALL, DroppedPart
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.score import counts
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.analyzer.rewrites.rewrite import NearMiss
from nnapi_check.coverage_db.differences import Difference, Reason
from nnapi_check.coverage_db.spec import Level
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.verification.approximation import approximations, tolerance_words
from nnapi_check.reports.computing import in_floats, uncounted_notes, work_view
from nnapi_check.reports.graph_view import graph_view
from nnapi_check.reports.losses import loss_views
from nnapi_check.reports.naming import place_words, type_words
from nnapi_check.reports.per_channel import per_channel_notes
from nnapi_check.reports.summary import android_of, deprecating, summary
from nnapi_check.reports.target_fit import misfit
from nnapi_check.reports.views import (
    ALL_EXTRAS,
    BlockerView,
    DifferenceView,
    Extra,
    FailureView,
    GateView,
    LevelView,
    ModelReport,
    NodeView,
    PartView,
    PlaceView,
)


class Texts(Protocol):
    """What a report reads of the registry."""

    def difference(self, id: str) -> Difference:  # noqa: A002  # the glossary's word for it
        """A difference by its id."""

    def reason(self, code: str) -> Reason:
        """A reason by its code."""

    def levels(self) -> tuple[Level, ...]:
        """The feature levels."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a report says besides the survey: who made it, and notes.

    ``target_because`` says why the target was chosen, ``other_targets`` are surveys of the model for other targets.
    ``extras`` are what is made although not every format shows it.
    """

    tool_version: str
    torch_version: str
    api_level: int | None
    notes: tuple[str, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    target_because: str = ""
    other_targets: tuple[Survey, ...] = ()
    extras: frozenset[Extra] = ALL_EXTRAS


def compose(
    survey: Survey, plan: Plan, lowered: Sequence[LoweredPart], texts: Texts, circumstances: Circumstances
) -> ModelReport:
    """Write down everything about a plan and its lowered parts. The gate is passed until it is asked for anything."""
    found = counted(survey, plan)
    nodes = tuple(_nodes(survey, plan, found, texts))
    ops = [node for node in nodes if node.is_op]
    levels = tuple(_level(survey, level, found, texts) for level in LEVELS)
    return ModelReport(
        model=survey.graph.name,
        tool_version=circumstances.tool_version,
        torch_version=circumstances.torch_version,
        target=survey.target.name,
        target_because=circumstances.target_because,
        per_channel=survey.per_channel.value,
        misfit=misfit(survey, plan, circumstances.other_targets, texts.levels()),
        feature_level=plan.level,
        api_level=circumstances.api_level,
        android=android_of(texts.levels(), circumstances.api_level),
        is_deprecated=deprecating(texts.levels(), circumstances.api_level) is not None,
        notes=(
            *_notes(plan.level, circumstances.api_level, texts),
            *uncounted_notes(found, survey),
            *_missed(circumstances.near_misses),
            *per_channel_notes(survey, plan),
            *circumstances.notes,
        ),
        summary=summary(survey, plan, found, texts.levels(), circumstances.api_level),
        readiness=plan.readiness.value,
        score=plan.score.points,
        lowest_ready_level=survey.lowest_ready_level(),
        nodes_total=len(ops),
        nodes_on_nnapi=sum(1 for node in ops if node.part is not None),
        multiply_adds=sum(node.multiply_adds for node in nodes),
        uncounted=len(found.uncounted),
        compute_coverage=found.coverage(plan),
        work=work_view(found.split(plan)),
        is_quantized=any(is_quantized(value.type) for value in survey.graph.values),
        inputs=_types(survey.graph, survey.graph.body.inputs),
        outputs=_types(survey.graph, survey.graph.body.outputs),
        gate=GateView(is_passed=True, reasons=()),
        losses=tuple(loss_views(survey, plan)),
        levels=levels,
        parts=tuple(_part(part, survey.graph, plan, found) for part in lowered),
        blockers=_blockers(nodes),
        in_floats=in_floats(nodes),
        differences=_differences(nodes, texts),
        nodes=nodes,
        tolerance=tolerance_words(approximations(survey, plan)),
        graph=graph_view(survey, plan, type_words, lambda at: _nodes(survey, at, found, texts))
        if Extra.GRAPH in circumstances.extras
        else None,
    )


def _nodes(survey: Survey, plan: Plan, work: Counted, texts: Texts) -> Iterator[NodeView]:
    part_of = plan.partition.part_of()
    dropped = {node: found for found in plan.partition.dropped for node in found.part.nodes}
    for id_, verdict in plan.verdicts.items():
        node = survey.nodes[id_]
        way = verdict.way
        yield NodeView(
            id=id_,
            op=node.op,
            module=node.source.module,
            file=node.source.file,
            line=node.source.line,
            status=verdict.status.value,
            way=None if way is None else way.name,
            level=verdict.level,
            emits=() if way is None else tuple(emission.operation for emission in way.emits),
            differences=() if way is None else met_differences(way, node, survey.graph),
            bound=None if way is None or way.bound is None else way.bound.words,
            part=part_of.get(id_),
            is_op=counts(verdict),
            multiply_adds=work.work[id_],
            is_counted=id_ not in work.uncounted,
            output=", ".join(_types(survey.graph, node.outputs)),
            failures=tuple(_failure(failure, texts) for failure in verdict.failures),
            kept_because=_kept_because(dropped.get(id_), survey, texts) or _left_because(id_, plan, texts),
            arithmetic=verdict.arithmetic.value,
            in_floats=tuple(_failure(failure, texts) for failure in verdict.in_floats),
        )


def _failure(failure: Failure, texts: Texts) -> FailureView:
    return FailureView(
        reason=failure.reason,
        title=texts.reason(failure.reason).title,
        requirement=failure.requirement,
        way=failure.way,
        found=failure.found,
        wanted=failure.wanted,
        because=failure.because,
        fix=failure.fix,
        cause=failure.cause,
    )


def _left_because(node: int, plan: Plan, texts: Texts) -> str | None:
    if node not in plan.left:
        return None
    return f"NNC903 {texts.reason('NNC903').title}: the one for feature level {plan.planned_level}"


def _kept_because(found: DroppedPart | None, survey: Survey, texts: Texts) -> str | None:
    if found is None:
        return None
    title = texts.reason(found.reason).title
    if found.value is not None:
        (crossing,) = _types(survey.graph, (found.value,))
        return f"{found.reason} {title}: {crossing}"
    if found.reason == TOO_SMALL:
        return f"{found.reason} {title}: to copy their tensors there and back costs more than it saves"
    return f"{found.reason} {title}"


def _blockers(nodes: Sequence[NodeView]) -> tuple[BlockerView, ...]:
    """One blocker for each reason, those of one op together: what is in the nearest way first, then the others."""
    groups: dict[tuple[str, str, str, bool], list[tuple[NodeView, FailureView]]] = {}
    for node in nodes:
        nearest = _nearest_way(node.failures)
        for failure in node.failures:
            key = (failure.cause or node.op, failure.reason, failure.requirement, failure.way not in ("", nearest))
            groups.setdefault(key, []).append((node, failure))
    found = [_blocker(members, is_alternative=key[3]) for key, members in groups.items()]
    most = {op: max(len(blocker.places) for blocker in found if blocker.op == op) for op in {key[0] for key in groups}}
    return tuple(sorted(found, key=lambda made: (-most[made.op], made.op, made.is_alternative, -len(made.places))))


def _nearest_way(failures: Sequence[FailureView]) -> str:
    """The way that is easiest to open: one that a higher level opens, else the one with the fewest failures."""
    ways: dict[str, list[FailureView]] = {}
    for failure in failures:
        ways.setdefault(failure.way, []).append(failure)
    by_level = (way for way, found in ways.items() if way and all(failure.reason == "NNC201" for failure in found))
    return next(by_level, next((way for way in ways if way), ""))


def _blocker(members: Sequence[tuple[NodeView, FailureView]], *, is_alternative: bool) -> BlockerView:
    node, failure = members[0]
    places = (PlaceView(node.op, node.module, node.file, node.line, found.found) for node, found in members)
    return BlockerView(
        reason=failure.reason,
        title=failure.title,
        op=failure.cause or node.op,
        requirement=failure.requirement,
        wanted=failure.wanted,
        because=failure.because,
        fix=failure.fix,
        is_alternative=is_alternative,
        places=tuple(places),
    )


def _differences(nodes: Sequence[NodeView], texts: Texts) -> tuple[DifferenceView, ...]:
    met: dict[str, int] = {}
    for node in nodes:
        for id_ in node.differences if node.part is not None and node.is_op else ():
            met[id_] = met.get(id_, 0) + 1
    found = ((texts.difference(id_), count) for id_, count in sorted(met.items()))
    return tuple(
        DifferenceView(known.id, known.title, known.pytorch, known.nnapi, known.bridge, count, known.input_range)
        for known, count in found
    )


def _level(survey: Survey, level: int, work: Counted, texts: Texts) -> LevelView:
    plan = survey.at(level)
    inside = plan.partition.part_of()
    facts = _level_facts(level, texts)
    return LevelView(
        level=level,
        android=facts.came_with,
        api_levels=tuple(api.api_level for api in facts.api_levels),
        readiness=plan.readiness.value,
        score=plan.score.points,
        parts=len(plan.partition.parts),
        nodes_on_nnapi=sum(1 for node in inside if counts(plan.verdicts[node])),
        compute_coverage=work.coverage(plan),
        work=work_view(work.split(plan)),
    )


def _level_facts(level: int, texts: Texts) -> Level:
    (facts,) = [found for found in texts.levels() if found.feature_level == level]
    return facts


def _part(lowered: LoweredPart, graph: Graph, plan: Plan, work: Counted) -> PartView:
    split = work.split_of(plan, lowered.part.nodes)
    return PartView(
        index=lowered.part.index,
        nodes=lowered.part.nodes,
        ops=sum(1 for node in lowered.part.nodes if counts(plan.verdicts[node])),
        operations=len(lowered.model.operations),
        transposes=lowered.transposes,
        level=lowered.level,
        multiply_adds=split.integers + split.floats,
        inputs=_types(graph, lowered.part.inputs),
        outputs=_types(graph, lowered.part.outputs),
        weights_bytes=sum(recipe.byte_length for recipe in lowered.buffers),
        work=work_view(split),
    )


def _types(graph: Graph, values: Sequence[int]) -> tuple[str, ...]:
    return tuple(type_words(graph, value) for value in values)


def shown_score(points: float) -> str:
    """A score with one decimal, rounded down, so that only a score without losses shows as 100."""
    if points >= 100.0 - 1e-9:
        return "100"
    return f"{int(points * 10) / 10:.1f}"


def _missed(near_misses: Sequence[NearMiss]) -> Iterator[str]:
    """What nodes almost are, and the one that is in the way, once for all places alike."""
    alike: dict[tuple[str, str, str, int], list[NearMiss]] = {}
    for near in near_misses:
        key = (near.rewrite.title, near.miss.at.op, near.miss.reason, near.miss.matched)
        alike.setdefault(key, []).append(near)
    for (title, op, reason, matched), found in alike.items():
        more = f", and at {len(found) - 1} more like it" if len(found) > 1 else ""
        where = place_words(found[0].miss.at.source)
        nodes = "1 node is" if matched == 1 else f"{matched} nodes are"
        yield (f"{nodes} as in {title}, which would be one op, but {op} ({where}{more}) is in the way: {reason}.")


def _notes(level: int, api_level: int | None, texts: Texts) -> Iterator[str]:
    facts = _level_facts(level, texts)
    if not facts.api_levels:
        yield (
            f"Feature level {level} came with {facts.came_with}, not with an API level: ask the device "
            "(ANeuralNetworksDevice_getFeatureLevel) before relying on it."
        )
    old = deprecating(texts.levels(), api_level)
    if old is not None:
        yield (
            f"NNAPI is deprecated from {old.android} (API level {old.api_level}) on: measure on the device, keep the "
            "CPU path, and for new work look at ExecuTorch or LiteRT as well."
        )
