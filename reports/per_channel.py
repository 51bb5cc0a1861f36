"""What a report says of integer layers whose weights have a scale for each channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nnapi_check.analyzer.graph import Graph, Node, PerChannel
from nnapi_check.analyzer.judging.arithmetic import Arithmetic
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.cards import WeightScales
from nnapi_check.coverage_db.targets import PerChannelChoice


def per_channel_notes(survey: Survey, plan: Plan) -> Iterator[str]:
    """How many such layers there are, and what becomes of them: nothing where there are none."""
    placed = plan.partition.part_of()
    found = Counter(
        _words(plan, node.id) if node.id in placed else "on the CPU"
        for node in survey.nodes.values()
        if node.id in plan.verdicts and has_channel_scales(node, survey.graph)
    )
    if not found:
        return
    told = ", ".join(f"{count} {words}" for words, count in found.most_common())
    others = ", ".join(choice.value for choice in PerChannelChoice if choice is not survey.per_channel)
    text = f"Layers whose weights have a scale for each channel: {told}."
    if not survey.target.carries_channel_params:
        text += f" This is --per-channel {survey.per_channel.value}; {others} are the other choices."
    if any("rounded" in words for words in found):
        text += (
            " Rounded weights change what a model makes of its inputs by more than the score tells, which counts what "
            "runs on NNAPI: see what a conversion measures, or let --target ndk carry the scales as they are."
        )
    yield text


def has_channel_scales(node: Node, graph: Graph) -> bool:
    """Whether a node multiplies by a weight that has a scale for each channel."""
    kind = graph.tensor_of(node.arguments.get("weight"))
    return kind is not None and isinstance(kind.quant, PerChannel)


def _words(plan: Plan, node: int) -> str:
    verdict = plan.verdicts[node]
    way = verdict.way
    if way is None or verdict.arithmetic is not Arithmetic.INTEGERS:
        return "as floats"
    rounded = ", rounded" if way.bound is not None and way.bound.deviation else ""
    match way.weight_scales:
        case WeightScales.GROUPS:
            return f"as integers in groups of like scales{rounded}"
        case WeightScales.ONE:
            equalized = ", equalized" if node in plan.factors else ""
            return f"as integers of one scale{equalized}{rounded}"
        case WeightScales.OWN:
            return "as integers with these scales"
