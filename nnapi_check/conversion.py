"""From a checked model to a package whose numbers were compared with PyTorch's, and that comparison by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.coverage_db.output import Format, check_output, replaced, writing
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.spec import Preference
from nnapi_check.coverage_db.targets import NDK
from nnapi_check.lowering.packaging.artifact import open_artifact
from nnapi_check.lowering.packaging.convert import convert, output_steps
from nnapi_check.lowering.packaging.package import PackageOptions
from nnapi_check.lowering.packaging.saving import Form, write_package
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification.approximation import approximations, approximations_document
from nnapi_check.lowering.verification.verify import Verification, VerifyError, verify_artifact
from nnapi_check.pipeline import Inputs, Model, Request, check_model, unpickled_once
from nnapi_check.progress import Progress
from nnapi_check.reports.verification_view import verification_view
from nnapi_check.reports.views import ModelReport, VerificationView
from nnapi_check.supervision import reading


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted model: the file and its report, numbers included. ``path`` is None where the gate refused."""

    path: Path | None
    report: ModelReport
    verification: Verification | None


@quantized_as_on_phones()
def convert_model(
    model: Model,
    inputs: Inputs | None,
    output: Path,
    request: Request,
    progress: Progress,
    *,
    form: Form = Form.FULL,
    preference: Preference = Preference.SUSTAINED_SPEED,
    relaxed: bool = False,
    bundle_input: bool = False,
    verify: bool = True,
    with_layers: bool = False,
) -> Converted:
    """Convert a model, write the package and compare its numbers with PyTorch's."""
    sources = request.files_read(model)
    check_output(output, Format.FILE, sources)
    model = unpickled_once(model, trust=request.trust)
    checked = check_model(model, inputs, request, progress, weights=True)
    if not checked.report.gate.is_passed:
        return Converted(None, checked.report, None)
    if checked.survey.target.name == NDK:
        raise InputError(
            "Files for the target ndk are not written yet; --target pytorch-mobile is (from API level 29)."
        )
    captured = checked.captured
    options = PackageOptions(
        preference=preference,
        is_relaxed=relaxed,
        bundled_inputs=(captured.example_arguments,) if bundle_input else (),
        extra={
            "feature_level": checked.plan.level,
            "output_steps": list(output_steps(checked.survey.graph)),
            **approximations_document(approximations(checked.survey, checked.plan)),
        },
    )
    progress.stage("packaging")
    package = convert(captured, checked.survey, checked.lowered, FactsByName(checked.registry), options)
    report = replace(checked.report, artifact=str(output))
    # What does not run is not put in the place of what was there.
    with replaced(output, sources) as draft:
        with writing(output):
            write_package(package, draft, form)
        if not verify:
            return Converted(output, report, None)
        progress.stage("verifying")
        verification = verify_artifact(
            draft,
            model,
            captured.example_arguments,
            reference=captured.reference_call,
            level=checked.plan.level,
            facts=FactsByName(checked.registry),
            with_layers=with_layers,
            trust=request.trust,
        )
    view = verification_view(verification, checked.survey.graph)
    return Converted(output, replace(report, verification=view), verification)


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
    with reading(None if trust else output):
        manifest = open_artifact(output, trust=trust).manifest
    registry = open_registry()
    with reading(against if isinstance(against, Path) and not trust else None):
        captured = capture(against, inputs, weights=True, trust=trust, registry=registry)
    level = manifest.extra.get("feature_level") if manifest is not None else None
    progress.stage("verifying")
    try:
        verification = verify_artifact(
            output,
            against,
            captured.example_arguments,
            reference=captured.reference_call,
            level=level if isinstance(level, int) else 8,
            facts=FactsByName(registry),
            with_layers=with_layers,
            trust=trust,
        )
    except VerifyError as error:
        # The file may be damaged, or made by others, so that this is no fault of ours for certain.
        raise InputError(
            f"{output}: {error}; convert the model again, and report it with the model if that does not help."
        ) from error
    return verification_view(verification, captured.graph)
