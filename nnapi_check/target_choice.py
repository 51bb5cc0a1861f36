"""Which target carries a model: the one that was asked for, or the one that suits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nnapi_check.analyzer.planning.plan import Plan, Readiness
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.targets import AUTO, NDK, PYTORCH_MOBILE
from nnapi_check.lowering.part_lowering import LoweredPart


@dataclass(frozen=True, slots=True)
class Planned:
    """A model planned for a target at every level, and lowered at the one that is asked for."""

    survey: Survey
    plan: Plan
    lowered: tuple[LoweredPart, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """What carries a model, and why where that was left open (``because`` is empty otherwise).

    ``others`` are the surveys for other targets, where they were made: of a model that the target does not carry.
    """

    planned: Planned
    because: str = ""
    others: tuple[Survey, ...] = ()


def choose(wanted: str, plan_for: Callable[[str], Planned]) -> Choice:
    """The model planned for the target that is wanted, or for the one that suits it. ``plan_for`` makes a plan."""
    if wanted == AUTO:
        return _suitable(plan_for)
    planned = plan_for(wanted)
    if planned.plan.readiness is not Readiness.DOES_NOT_FIT:
        return Choice(planned)
    others = [name for name in (PYTORCH_MOBILE, NDK) if name != wanted]
    return Choice(planned, others=tuple(plan_for(name).survey for name in others))


def _suitable(plan_for: Callable[[str], Planned]) -> Choice:
    """One NNAPI model without PyTorch where that holds everything, or where nothing else reaches the level."""
    whole = plan_for(NDK)
    level = whole.plan.level
    if whole.plan.readiness is Readiness.READY:
        because = "one NNAPI model holds everything, so that the app needs no PyTorch"
        return Choice(whole, f"{NDK} was chosen, for {because}.")
    mixed = plan_for(PYTORCH_MOBILE)
    if level < mixed.survey.target.lowest_level:
        because = f"{PYTORCH_MOBILE} does not reach feature level {level}"
        return Choice(whole, f"{NDK} was chosen, for {because}.", (mixed.survey,))
    because = f"not everything runs in one NNAPI model, and {NDK} computes nothing beside it"
    return Choice(mixed, f"{PYTORCH_MOBILE} was chosen, for {because}.")
