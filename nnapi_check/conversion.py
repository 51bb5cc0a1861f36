"""From a checked model to a package whose numbers were compared with PyTorch's, and that comparison by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nnapi_check.analyzer.capture.capture import Captured, Inputs, Model, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.sizes import resized_call
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.spec import Preference
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE
from nnapi_check.coverage_db.writing.output import Format, check_output, check_parent, place_of, replaced, writing
from nnapi_check.coverage_db.writing.output_folder import check_folder, replaced_folder
from nnapi_check.lowering.ndk.assembly import assemble
from nnapi_check.lowering.ndk.project import MODEL_NAME, PROJECT, fill_project
from nnapi_check.lowering.packaging.convert import Sized, convert, output_steps
from nnapi_check.lowering.packaging.manifest import Json, recorded_sizes
from nnapi_check.lowering.packaging.package import PackageOptions
from nnapi_check.lowering.packaging.saving import Form, write_package
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification.approximation import approximations, approximations_document
from nnapi_check.lowering.verification.subject import (
    ModelFileSubject,
    Subject,
    VerifyError,
    model_file_in,
    open_subject,
)
from nnapi_check.lowering.verification.verify import Verification, verify_artifact
from nnapi_check.other_sizes import compared_elsewhere
from nnapi_check.pipeline import Checked, Request, unpickled_once
from nnapi_check.progress import Progress
from nnapi_check.reports.gating.gate import judged
from nnapi_check.reports.sizes_view import of_all_sizes, verified_sizes
from nnapi_check.reports.verification_view import verification_view
from nnapi_check.reports.views import ModelReport, VerificationView
from nnapi_check.sized_models import checked_at_sizes, report_on
from nnapi_check.supervision import held_to_the_end, reading


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted model: the file and its report, numbers included. ``path`` is None where the gate refused.

    ``verification`` is that of the first size, and ``is_within_tolerance`` is of all, and of the CPU for another one.
    """

    path: Path | None
    report: ModelReport
    verification: Verification | None
    is_within_tolerance: bool = False


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """How a checked model is converted: what the file holds, how drivers are to run it, and what is compared."""

    form: Form = Form.FULL
    preference: Preference = Preference.SUSTAINED_SPEED
    relaxed: bool = False
    bundle_input: bool = False
    verify: bool = True
    with_layers: bool = False


USUAL_CONVERSION = ConversionOptions()


@quantized_as_on_phones()
def convert_model(
    model: Model,
    inputs: Inputs | None,
    output: Path,
    request: Request,
    progress: Progress,
    options: ConversionOptions = USUAL_CONVERSION,
) -> Converted:
    """Convert a model, write the package and compare its numbers with PyTorch's."""
    request.demand_level()
    _check_place(output, request.target, request.files_read(model))
    model = unpickled_once(model, trust=request.trust)
    checks = held_to_the_end(checked_at_sizes(model, inputs, request, progress, weights=True))
    return convert_checked(checks, model, output, request, progress, options)


@quantized_as_on_phones()
def convert_checked(
    checks: Sequence[Checked],
    model: Model,
    output: Path,
    request: Request,
    progress: Progress,
    options: ConversionOptions = USUAL_CONVERSION,
) -> Converted:
    """Convert what was checked of a model, captured with its weights, at each of its sizes."""
    if not all(checked.report.gate.is_passed for checked in checks):
        return Converted(None, report_on(checks), None)
    _demand_forms(checks, options)
    package_options = PackageOptions(
        preference=options.preference,
        is_relaxed=options.relaxed,
        bundled_inputs=tuple(checked.captured.example_arguments for checked in checks) if options.bundle_input else (),
        extra={"feature_level": checks[0].plan.level, **_told(checks[0])},
    )
    progress.stage("packaging")
    reports = [replace(checked.report, artifact=str(output)) for checked in checks]
    try:
        # What does not run is not put in the place of what was there, nor what the gate refuses for its size.
        with _written(checks, output, request.files_read(model), options.form, package_options) as draft:
            size = _bytes_of(draft)
            reports = [_judged(replace(report, artifact_bytes=size), request, checks[0]) for report in reports]
            if not all(report.gate.is_passed for report in reports):
                raise _RefusedError
            if not options.verify:
                return Converted(output, of_all_sizes(reports), None)
            progress.stage("verifying")
            found = [_verified(checked, draft, model, request, with_layers=options.with_layers) for checked in checks]
            elsewhere = compared_elsewhere(checks, draft, model, trust=_is_trusted(model, request))
    except _RefusedError:
        return Converted(None, replace(of_all_sizes(reports), artifact=None), None)
    views = [verification_view(one, checked.survey.graph) for one, checked in zip(found, checks, strict=True)]
    if elsewhere is not None:
        views = [replace(view, notes=(*view.notes, elsewhere.said)) for view in views]
    reports = [
        _judged(replace(report, verification=view), request, checks[0])
        for report, view in zip(reports, views, strict=True)
    ]
    is_good = all(one.is_within_tolerance for one in found) and (elsewhere is None or elsewhere.is_within_tolerance)
    return Converted(output, of_all_sizes(reports), found[0], is_good)


def _judged(report: ModelReport, request: Request, checked: Checked) -> ModelReport:
    return judged(report, request.gate, checked.baseline)


def _told(checked: Checked) -> dict[str, Json]:
    """What a package tells of a model at one size, for those who verify it later."""
    told: dict[str, Json] = {"output_steps": list(output_steps(checked.survey.graph))}
    return told | approximations_document(approximations(checked.survey, checked.plan))


def _demand_forms(checks: Sequence[Checked], options: ConversionOptions) -> None:
    if all(checked.survey.target.name != NDK for checked in checks):
        return
    if options.form is not Form.FULL or options.bundle_input:
        raise InputError("--lite and --bundle-input are for PyTorch Mobile; this model is converted for the NDK.")
    if len(checks) > 1:
        raise InputError("Several sizes in one file are for PyTorch Mobile; for the NDK convert each to a folder.")


class _RefusedError(Exception):
    """The gate refuses what was made, which is not to be put in its place."""


def _bytes_of(made: Path) -> int:
    return (made / MODEL_NAME if made.is_dir() else made).stat().st_size


def _verified(checked: Checked, draft: Path, model: Model, request: Request, *, with_layers: bool) -> Verification:
    """The numbers of what was made next to those of the model."""
    captured = checked.captured
    return verify_artifact(
        draft,
        model,
        captured.example_inputs if checked.survey.target.name == NDK else captured.example_arguments,
        reference=captured.reference_call,
        level=checked.plan.level,
        facts=FactsByName(checked.registry),
        with_layers=with_layers,
        trust=_is_trusted(model, request),
    )


def _is_trusted(model: Model, request: Request) -> bool:
    # What was made of a module in memory is trusted as that is.
    return request.trust or not isinstance(model, Path)


def _check_place(output: Path, target: str, sources: Sequence[Path]) -> None:
    """Raise ``UserError`` before any work where a target's output cannot be written."""
    match target:
        case name if name == NDK:
            check_folder(output, PROJECT)
        case name if name == PYTORCH_MOBILE:
            check_output(output, Format.FILE, sources)
        case _:
            # Which target suits, and so whether this is a file or a folder, is not known yet.
            check_parent(output, place_of(output))


@contextmanager
def _written(
    checks: Sequence[Checked], output: Path, sources: Sequence[Path], form: Form, options: PackageOptions
) -> Iterator[Path]:
    """What is converted, written beside ``output``, whose place it takes at the end."""
    checked = checks[0]
    captured, facts = checked.captured, FactsByName(checked.registry)
    if checked.survey.target.name == NDK:
        (part,) = checked.lowered
        assembled = assemble(captured, checked.survey, part, options)
        codes = {name: operation.code for name, operation in facts.items()}
        with replaced_folder(output, PROJECT) as draft:
            with writing(output):
                fill_project(draft, assembled, codes)
            yield draft
        return
    # The package computes them before its first run.
    for one in checks:
        one.captured.refuse_failing_constants()
    others = [Sized(one.captured, one.survey, one.lowered, _told(one)) for one in checks[1:]]
    package = convert(captured, checked.survey, checked.lowered, facts, options, others)
    with replaced(output, sources) as draft:
        with writing(output):
            write_package(package, draft, form)
        yield draft


@quantized_as_on_phones()
def verify_file(
    output: Path,
    against: Model,
    inputs: Inputs | None,
    progress: Progress,
    *,
    with_layers: bool,
    trust: bool = False,
) -> VerificationView:
    """Compare a converted file with the model that it was made from, at the level it was converted for."""
    progress.stage("capturing")
    against = unpickled_once(against, trust=trust)
    registry = open_registry()
    facts = FactsByName(registry)
    try:
        with reading(None if trust else model_file_in(output) or output):
            subject = open_subject(output, facts, trust=trust)
    except InputError as error:
        if isinstance(against, Path) and _is_converted(against, facts):
            raise InputError(
                f"The two files are swapped: {against} is the converted one, and comes first. Run "
                f"`nnapi-check verify {against} --against {output}`."
            ) from error
        raise
    file = against if isinstance(against, Path) and not trust else None
    with reading(file):
        captured = capture(against, inputs, weights=True, trust=trust, registry=registry)
    sizes = recorded_sizes(subject.manifest) if subject.manifest is not None and inputs is None else ()
    views: list[tuple[str, VerificationView]] = []
    for size in sizes:
        types = [parse_input_spec(kind).type for kind in size.inputs]
        if len(types) != len(captured.input_types):
            raise InputError(f"{output} takes {len(types)} inputs, and {against} takes {len(captured.input_types)}.")
        with reading(file):
            sized = capture(
                against, resized_call(captured.reference_call, types), weights=True, trust=trust, registry=registry
            )
        progress.stage("verifying")
        found = _compared(output, against, subject, sized, facts, with_layers=with_layers, trust=trust)
        views.append((", ".join(size.inputs), found))
    if not sizes:
        progress.stage("verifying")
        views.append(("", _compared(output, against, subject, captured, facts, with_layers=with_layers, trust=trust)))
    return verified_sizes(views)


def _compared(
    output: Path,
    against: Model,
    subject: Subject,
    captured: Captured,
    facts: FactsByName,
    *,
    with_layers: bool,
    trust: bool,
) -> VerificationView:
    """The numbers of a converted file beside those of the model, for the inputs that it was captured with."""
    level = subject.manifest.extra.get("feature_level") if subject.manifest is not None else None
    try:
        verification = verify_artifact(
            output,
            against,
            captured.example_inputs if isinstance(subject, ModelFileSubject) else captured.example_arguments,
            reference=captured.reference_call,
            level=level if isinstance(level, int) else 8,
            facts=facts,
            with_layers=with_layers,
            trust=trust,
        )
    except VerifyError as error:
        # The file may be damaged, or made by others, so that this is no fault of ours for certain.
        raise InputError(
            f"{output}: {error}; convert the model again, and report it with the model if that does not help."
        ) from error
    return verification_view(verification, captured.graph)


def _is_converted(path: Path, facts: FactsByName) -> bool:
    """Whether a file holds NNAPI models."""
    try:
        with reading(path):
            open_subject(path, facts, is_run=False)
    except InputError:
        return False
    return True
