"""The front door's one pipeline: capture, judge, partition, lower, report. `conversion` goes on from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nnapi_check.analyzer.capture.capture import Captured, Inputs, Model, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.file_kind import FileKind, kind_of
from nnapi_check.analyzer.files.model_file import unpickled
from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.judging.arithmetic import is_quantized as is_quantized_type
from nnapi_check.analyzer.judging.device_limits import Device
from nnapi_check.analyzer.judging.judge import Judgement, judge
from nnapi_check.analyzer.planning.gains import changes_worth_most
from nnapi_check.analyzer.planning.if_quantized import as_quantized
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey, planned
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.analyzer.trials.trial import Trials
from nnapi_check.coverage_db.device_profile import DeviceProfile, read_device_profile
from nnapi_check.coverage_db.levels import api_to_feature_level, check_feature_level, level_spans
from nnapi_check.coverage_db.overlay import with_overlay
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.targets import PER_CHANNEL, PYTORCH_MOBILE, PerChannelChoice, Target
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan, refused_nodes
from nnapi_check.progress import Progress
from nnapi_check.reports.changing.first_changes_view import first_changes_view
from nnapi_check.reports.compose import Circumstances, compose
from nnapi_check.reports.file_view import file_view
from nnapi_check.reports.gating.baseline import Baseline
from nnapi_check.reports.gating.baseline_file import read_baseline
from nnapi_check.reports.gating.gate import NO_GATE, Gate, judged
from nnapi_check.reports.if_quantized_view import if_quantized_view
from nnapi_check.reports.views import ALL_EXTRAS, Extra, IfQuantizedView, ModelReport
from nnapi_check.supervision import reading
from nnapi_check.target_choice import Choice, Planned, choose
from nnapi_check.versions import tool_version


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for: at most one of ``api_level`` and ``feature_level``, the target, and the gate to pass.

    ``target`` is the name of one, or ``AUTO``, ``per_channel`` what is done to weights with a scale for each channel,
    where the target carries one alone. ``baseline`` is an earlier report, behind which a model must not fall.
    ``overlay`` is a file of cards to lay over the registry, ``device`` the profile of a device, and ``project`` the
    file that defaults were taken from. With ``if_quantized`` a check also tells what quantizing a model would bring.
    ``extras`` are what the report holds only where it is shown. ``stands_in`` says that the process is this check's
    own, so that ops which nothing has registered may be defined by how a file calls them. ``sizes`` are those that
    inputs are to have, as `parse_sizes` reads them.
    """

    api_level: int | None = None
    feature_level: int | None = None
    gate: Gate = NO_GATE
    baseline: Path | None = None
    trust: bool = False
    overlay: Path | None = None
    device: Path | None = None
    project: Path | None = None
    target: str = PYTORCH_MOBILE
    per_channel: PerChannelChoice = PER_CHANNEL
    if_quantized: bool = False
    extras: frozenset[Extra] = ALL_EXTRAS
    stands_in: bool = False
    sizes: tuple[str, ...] = ()

    def files_read(self, model: Model) -> tuple[Path, ...]:
        """The files that a command about ``model`` reads, which must not be written to."""
        files = (model, self.overlay, self.device, self.project, self.baseline)
        return tuple(file for file in files if isinstance(file, Path))

    def level(self) -> int | None:
        """The feature level that is asked for, if one is."""
        match self.api_level, self.feature_level:
            case int(api_level), None:
                return api_to_feature_level(api_level)
            case None, int(feature_level):
                return check_feature_level(feature_level)
            case None, None:
                return None
            case _:
                raise InputError("Pass either an API level or a feature level, not both.")

    def demand_level(self) -> None:
        """Raise ``InputError`` where no level is asked for: a conversion is made for one."""
        if self.level() is None:
            spans = level_spans()
            raise InputError(f"Which Android? Pass an API level ({spans.api}) or a feature level ({spans.feature}).")


@dataclass(frozen=True, slots=True)
class Checked:
    """A model that was checked, with all that was found on the way."""

    captured: Captured
    survey: Survey
    plan: Plan
    lowered: tuple[LoweredPart, ...]
    registry: Registry
    report: ModelReport
    baseline: Baseline | None


@quantized_as_on_phones()
def check_model(
    model: Model, inputs: Inputs | None, request: Request, progress: Progress, *, weights: bool = False
) -> Checked:
    """Check a model: every stage up to a validated NNAPI model for each part. Weights are read only when asked for."""
    # What is wrong with the call is told before any work.
    request.level()
    baseline = None if request.baseline is None else read_baseline(request.baseline)
    progress.stage("capturing")
    registry = registry_of(request)
    captured = capture_model(model, inputs, request, registry, weights=weights)
    file = _suspect(model, trust=request.trust)
    checked = check_captured(captured, file, request, registry, progress, baseline)
    with reading(file):
        changes = changes_worth_most(checked.survey, checked.plan, Trials(checked.survey, registry))
    report = replace(checked.report, first_changes=first_changes_view(changes, checked.survey, checked.plan))
    if isinstance(model, Path) and Extra.FILE in request.extras:
        report = replace(report, file=file_view(model))
    return replace(checked, report=report)


@quantized_as_on_phones()
def capture_model(
    model: Model, inputs: Inputs | None, request: Request, registry: Registry, *, weights: bool = False
) -> Captured:
    """Capture a model, which can then be checked at any level, for any target."""
    with reading(_suspect(model, trust=request.trust)):
        return capture(
            model, inputs, weights=weights, trust=request.trust, registry=registry, stands_in=request.stands_in
        )


@quantized_as_on_phones()
def check_captured(
    captured: Captured,
    file: Path | None,
    request: Request,
    registry: Registry,
    progress: Progress,
    baseline: Baseline | None = None,
) -> Checked:
    """Check what was captured of a model. ``file`` is the one whose limits hold meanwhile."""
    level = request.level()
    progress.stage("judging")
    with reading(file):
        choice, notes = _chosen(captured.graph, registry, level, request, progress)
    found, plan, lowered = choice.planned.survey, choice.planned.plan, choice.planned.lowered
    notes += () if level is not None else (_level_note(plan),)
    is_quantized = any(is_quantized_type(value.type) for value in captured.graph.values)
    if request.if_quantized and is_quantized:
        notes += ("The model is quantized already: --if-quantized is about models of floats.",)
    circumstances = Circumstances(
        tool_version=tool_version(),
        torch_version=str(torch.__version__),
        api_level=request.api_level,
        notes=(*captured.notes, *notes),
        near_misses=captured.near_misses,
        target_because=choice.because,
        other_targets=choice.others,
        extras=request.extras,
    )
    report = compose(found, plan, lowered, registry, circumstances)
    if request.if_quantized and not is_quantized:
        progress.stage("quantizing")
        with reading(file):
            estimate = _estimate(captured.graph, registry, plan.level, found.target, request, circumstances, progress)
        report = replace(report, if_quantized=estimate)
    return Checked(captured, found, plan, lowered, registry, judged(report, request.gate, baseline), baseline)


def _level_note(plan: Plan) -> str:
    return (
        f"No level was asked for. This is about feature level {plan.level}, the lowest that no other is better than; "
        "--api-level or --feature-level asks about another."
    )


def registry_of(request: Request) -> Registry:
    """What is known, with the cards that are to be laid over it."""
    return open_registry() if request.overlay is None else with_overlay(open_registry(), request.overlay)


def _estimate(
    graph: Graph,
    registry: Registry,
    level: int,
    target: Target,
    request: Request,
    circumstances: Circumstances,
    progress: Progress,
) -> IfQuantizedView:
    """What quantizing a graph of floats would bring, by the same judgement, planning and lowering."""
    found = as_quantized(graph, registry)
    judgement = judge(found.graph, registry, target, request.per_channel)
    made = _planned(judgement, registry, level, target, _profile(request, registry), progress)
    others = replace(circumstances, notes=(), near_misses=(), other_targets=(), extras=frozenset())
    return if_quantized_view(graph, found, compose(made.survey, made.plan, made.lowered, registry, others))


def _profile(request: Request, registry: Registry) -> DeviceProfile | None:
    return None if request.device is None else read_device_profile(request.device, FactsByName(registry))


def _chosen(
    graph: Graph, registry: Registry, level: int | None, request: Request, progress: Progress
) -> tuple[Choice, tuple[str, ...]]:
    """The target that carries a model with what is planned for it, and notes on the overlay and the device."""
    notes: tuple[str, ...] = (
        () if request.overlay is None else (f"The cards of {request.overlay.name} are laid over the registry.",)
    )
    profile = _profile(request, registry)
    if profile is not None:
        notes += (f"Judged for {profile.device}, by its profile.",)

    def plan_for(target: str) -> Planned:
        judgement = judge(graph, registry, registry.target(target), request.per_channel)
        return _planned(judgement, registry, level, registry.target(target), profile, progress)

    return choose(request.target, plan_for), notes


def _planned(
    judgement: Judgement,
    registry: Registry,
    level: int | None,
    target: Target,
    profile: DeviceProfile | None,
    progress: Progress,
) -> Planned:
    """The survey, plan and lowered parts of a judged model for a target, at the best level where none is asked for.

    Where the device refuses an operation that only lowering brings in, the node that it is for is left to the CPU, and
    the rest is planned again.
    """
    facts = FactsByName(registry)
    refused: dict[int, tuple[str, OperandType | None]] = {}
    while True:
        device = None if profile is None else Device(profile, dict(refused))
        found = planned(judgement, registry, target, device)
        plan = found.best() if level is None else found.at(level)
        progress.stage("lowering")
        lowered = lower_plan(found, plan, facts)
        more = {} if profile is None else refused_nodes(lowered, profile, facts)
        if not more:
            return Planned(found, plan, lowered)
        refused |= more


def _suspect(model: Model, *, trust: bool) -> Path | None:
    """The file that is read within limits: none for a module in memory, or one whose maker is trusted."""
    return model if isinstance(model, Path) and not trust else None


def unpickled_once(model: Model, *, trust: bool) -> Model:
    """The model, unpickled where it is a pickle and that is allowed, so that what follows needs not ask again."""
    if trust and isinstance(model, Path) and kind_of(model) is FileKind.PICKLED_MODULE:
        return unpickled(model)
    return model
