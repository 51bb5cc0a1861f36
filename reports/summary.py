"""The verdict on a model in one sentence, as a person says it."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.analyzer.planning.counted_work import Counted
from nnapi_check.analyzer.planning.plan import Plan, Readiness
from nnapi_check.analyzer.planning.score import counts
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.spec import ApiLevel, Level

LITTLE = 0.5
"""Below this share of the work a sentence says "only"."""

NEARLY_ALL = 0.995


def summary(survey: Survey, plan: Plan, work: Counted, levels: Sequence[Level], api_level: int | None = None) -> str:
    """What becomes of a model at the plan's level, and from which level on more of it runs.

    From the ``api_level`` on that deprecates NNAPI it also says what that means, where anything runs there.
    """
    old = _deprecation(levels, api_level) if plan.partition.parts else ""
    return f"{_answer(survey, plan, work, levels)}{old}."


def _answer(survey: Survey, plan: Plan, work: Counted, levels: Sequence[Level]) -> str:
    match plan.readiness:
        case Readiness.READY:
            lowest = survey.lowest_ready_level()
            since = android_words(plan.level if lowest is None else lowest, levels)
            return f"Runs on NNAPI as one model from {since} on{_floats(plan, work)}"
        case Readiness.READY_WITH_FALLBACK:
            return f"{_pieces(plan, work)}{_later(survey, plan, levels)}"
        case Readiness.NOT_WORTHWHILE if plan.partition.parts:
            slower = "expect it slower than on the CPU alone, by an estimate"
            return f"{_pieces(plan, work)}: {slower}{_later(survey, plan, levels)}"
        case Readiness.NOT_WORTHWHILE:
            little = "What NNAPI could compute of this model is too little to pay for the way there and back"
            return f"{little}, so all of it stays on the CPU{_later(survey, plan, levels)}"
        case Readiness.UNSUPPORTED:
            here = android_words(plan.level, levels)
            return f"Nothing of this model can run on NNAPI at {here}{_later(survey, plan, levels)}"
        case Readiness.DOES_NOT_FIT:
            return _misfit(survey, plan, levels)


def _pieces(plan: Plan, work: Counted) -> str:
    pieces = "one piece" if len(plan.partition.parts) == 1 else f"{len(plan.partition.parts)} pieces"
    share, counted = work.coverage(plan), work.split(plan)
    what = "work" if counted.total else "ops"
    if work.uncounted:
        how_much = f"At most {share:.0%} of the {what}" if share < NEARLY_ALL else f"An unknown share of the {what}"
    elif share == 1:
        # Of ops alone that would be all of the model, so it is the work.
        inside = plan.partition.part_of()
        left = sum(1 for node, verdict in plan.verdicts.items() if counts(verdict) and node not in inside)
        small = "1 small op" if left == 1 else f"{left} small ops"
        return f"All multiplications run on NNAPI, in {pieces}, and {small} beside them on the CPU"
    elif share >= NEARLY_ALL:
        how_much = f"Nearly all of the {what}"
    else:
        how_much = f"{'Only ' if share < LITTLE else ''}{share:.0%} of the {what}"
    return f"{how_much} runs on NNAPI, in {pieces}, and the rest on the CPU"


def _floats(plan: Plan, work: Counted) -> str:
    """Of a quantized model, what is not computed as it was quantized for."""
    found = work.split(plan)
    inside = plan.partition.part_of()
    is_turned = any(verdict.in_floats and node in inside for node, verdict in plan.verdicts.items())
    if not is_turned or not found.total:
        return ""
    return f", but computes {found.floats / found.total:.0%} of the work in floats, although it is quantized"


def _later(survey: Survey, plan: Plan, levels: Sequence[Level]) -> str:
    """From which higher level on one model holds everything, or else from which on anything runs at all."""
    lowest = survey.lowest_ready_level()
    if lowest is not None and lowest > plan.level:
        return f"; as one model all of it runs from {android_words(lowest, levels)} on"
    if plan.partition.parts:
        return ""
    some = next((other.level for other in survey.plans if other.level > plan.level and other.partition.parts), None)
    return "" if some is None else f"; some of it runs from {android_words(some, levels)} on"


def _misfit(survey: Survey, plan: Plan, levels: Sequence[Level]) -> str:
    target = survey.target
    if plan.level < target.lowest_level:
        reached = android_words(target.lowest_level, levels)
        return f"{target.title} cannot run it at {android_words(plan.level, levels)}, but only from {reached} on"
    return (
        f"{target.title} runs one NNAPI model and nothing on the CPU beside it, which does not hold all of this model "
        f"at {android_words(plan.level, levels)}{_later(survey, plan, levels)}"
    )


def android_words(level: int, levels: Sequence[Level]) -> str:
    """A feature level by the Android that brings it, or whose devices get it by updates."""
    (facts,) = [found for found in levels if found.feature_level == level]
    if facts.api_levels:
        return f"{facts.came_with} (feature level {level})"
    newest = max((found for found in levels if found.api_levels), key=lambda found: found.feature_level)
    return f"feature level {level} ({newest.came_with} with updates)"


def _deprecation(levels: Sequence[Level], api_level: int | None) -> str:
    found = deprecating(levels, api_level)
    if found is None:
        return ""
    return (
        f"; but {found.android} deprecates NNAPI, and many devices from then on compute it on their CPU, "
        "so count on no gain before it is measured"
    )


def deprecating(levels: Sequence[Level], api_level: int | None) -> ApiLevel | None:
    """The first API level that deprecates NNAPI, where ``api_level`` is that or a later one."""
    known = sorted((api for facts in levels for api in facts.api_levels), key=lambda api: api.api_level)
    first = next((api for api in known if api.is_deprecated), None)
    return first if first is not None and api_level is not None and api_level >= first.api_level else None


def android_of(levels: Sequence[Level], api_level: int | None) -> str | None:
    """The Android of an API level."""
    return next((api.android for facts in levels for api in facts.api_levels if api.api_level == api_level), None)
