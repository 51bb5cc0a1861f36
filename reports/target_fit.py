"""Why a target does not carry a model at a level, and what to do: another target, another level, or the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nnapi_check.analyzer.planning.plan import Claim, Plan, Readiness
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.spec import Level
from nnapi_check.reports.naming import place_words
from nnapi_check.reports.views import MisfitView


def misfit(survey: Survey, plan: Plan, others: Iterable[Survey], levels: Sequence[Level]) -> MisfitView | None:
    """Why the target does not carry the model at the plan's level, or None where it does.

    ``others`` are surveys of the same model for other targets.
    """
    if plan.readiness is not Readiness.DOES_NOT_FIT:
        return None
    target = survey.target
    if plan.level < target.lowest_level:
        reached = level_words(target.lowest_level, levels)
        because = f"{target.title} runs nothing below {reached}. {target.lowest_level_because}"
        return MisfitView(because, " ".join(_for_level(survey, plan, others, levels)))
    claim = _claim_words(plan.outside[0])
    because = f"{target.title} computes nothing beside one NNAPI model, and here {claim}{_more(plan)}."
    return MisfitView(because, " ".join(_for_whole(survey, plan, others, levels)))


def _claim_words(claim: Claim) -> str:
    place = "" if claim.source is None else f" ({place_words(claim.source)})"
    return f"{claim.subject}{place} {claim.says}"


def level_words(level: int, levels: Sequence[Level]) -> str:
    """A feature level with the lowest API level that promises it, where one does."""
    promised = [api.api_level for facts in levels if facts.feature_level >= level for api in facts.api_levels]
    return f"feature level {level} (API level {min(promised)})" if promised else f"feature level {level}"


def _more(plan: Plan) -> str:
    rest = len(plan.outside) - 1
    return f", among {rest + 1} such obstacles" if rest else ""


def _for_level(survey: Survey, plan: Plan, others: Iterable[Survey], levels: Sequence[Level]) -> Iterator[str]:
    carrying, missing = _sorted(others, plan.level)
    for other in carrying:
        yield f"Pass --target {other.target.name}: it reaches this level, and one NNAPI model holds everything."
    reached = _carried_from(survey, plan.level)
    if reached is not None:
        verb = "Or raise" if carrying else "Raise"
        yield f"{verb} the level to {level_words(reached, levels)}, if your users' devices allow it."
    for other in missing:
        if plan.level >= other.target.lowest_level:
            at = _carried_from(other, plan.level)
            yield (
                f"The target {other.target.name} reaches this level, but there one NNAPI model must hold everything, "
                f"which it does {'at no level' if at is None else f'from {level_words(at, levels)} on'}."
            )


def _for_whole(survey: Survey, plan: Plan, others: Iterable[Survey], levels: Sequence[Level]) -> Iterator[str]:
    own = _carried_from(survey, plan.level)
    if own is not None:
        yield f"Raise the level to {level_words(own, levels)}, from which one NNAPI model holds everything."
    carrying, missing = _sorted(others, plan.level)
    for other in carrying:
        yield f"Pass --target {other.target.name}, which keeps the rest on the CPU."
    for other in missing:
        reached = _carried_from(other, plan.level)
        if reached is not None and (own is None or reached < own):
            yield (
                f"Raise the level to {level_words(reached, levels)} and pass --target {other.target.name}, which keeps "
                "the rest on the CPU."
            )
    yield "Or change the model: what is in the way is listed below."


def _carried_from(survey: Survey, level: int) -> int | None:
    """The lowest level above this one at which the target carries something of the model, or None."""
    return next((found.level for found in survey.plans if found.level > level and found.partition.parts), None)


def _sorted(others: Iterable[Survey], level: int) -> tuple[list[Survey], list[Survey]]:
    """The surveys whose target carries something at a level, and the others."""
    carrying: list[Survey] = []
    missing: list[Survey] = []
    for other in others:
        (carrying if other.at(level).partition.parts else missing).append(other)
    return carrying, missing
