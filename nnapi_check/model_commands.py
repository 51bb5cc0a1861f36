"""The commands about models: each gives an exit code, and prints on the standard output only its result.

What only a conversion needs is imported by it alone, so that a check starts sooner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.specification import InputSpec, PlainSpec, demand_input
from nnapi_check.coverage_db.spec import Preference
from nnapi_check.coverage_db.targets import PerChannelChoice
from nnapi_check.errors import say
from nnapi_check.imports import import_modules
from nnapi_check.pipeline import Request
from nnapi_check.progress import Progress
from nnapi_check.project_file import find_project
from nnapi_check.reports.console import to_text
from nnapi_check.reports.formats.findings import origin_of
from nnapi_check.reports.formats.outputs import Form, Output, check_outputs, rendered, write_outputs
from nnapi_check.reports.gating.gate import Gate
from nnapi_check.reports.json_format import verification_json
from nnapi_check.reports.terminal import Detail, Paint, printable
from nnapi_check.reports.verification_text import verification_lines
from nnapi_check.reports.views import Extra, ModelReport
from nnapi_check.shown import detail_of, paint_of
from nnapi_check.sized_models import checked_at_sizes, report_on
from nnapi_check.supervision import held_to_the_end


def check(model: Path, form: str, options: Mapping[str, object]) -> int:
    """Check a model and print its report."""
    import_modules(options)
    outputs = _outputs_of(options)
    request = request_of(options)
    if options["update_baseline"]:
        outputs = (*outputs, Output(Form.JSON, _baseline_of(request)))
        request = replace(request, baseline=None)
    request = replace(request, extras=_extras(form, outputs), stands_in=True)
    sources = request.files_read(model)
    check_outputs(outputs, sources)
    progress = Progress()
    report = report_on(held_to_the_end(checked_at_sizes(model, inputs_of(options), request, progress)))
    progress.done()
    _show(report, model, form, outputs, options, sources, detail_of(options))
    return 0 if report.gate.is_passed else 1


def _baseline_of(request: Request) -> Path:
    if request.baseline is None:
        raise InputError("No baseline is named that could be written: name it by --baseline, or in the project's file.")
    return request.baseline


def convert(model: Path, form: str, options: Mapping[str, object]) -> int:
    """Convert a model, and print its report with the measured numbers."""
    from nnapi_check.conversion import ConversionOptions, convert_model
    from nnapi_check.lowering.packaging import saving

    import_modules(options)
    outputs, output = _outputs_of(options), Path(str(options["output"]))
    request = replace(request_of(options), extras=_extras(form, outputs))
    sources = request.files_read(model)
    check_outputs(outputs, sources, [output])
    progress = Progress()
    made = convert_model(
        model,
        inputs_of(options),
        output,
        request,
        progress,
        ConversionOptions(
            saving.Form.LITE if options["lite"] else saving.Form.FULL,
            next(found for found in Preference if found.word == options["preference"]),
            relaxed=bool(options["relaxed"]),
            bundle_input=bool(options["bundle_input"]),
            verify=not options["no_verify"],
            with_layers=bool(options["layers"]),
        ),
    )
    progress.done()
    # A check told the rest; what is new are the numbers, or why there are none.
    usual = Detail.USUAL if made.path is None else Detail.QUIET
    _show(made.report, model, form, outputs, options, sources, detail_of(options, usual))
    if made.path is None:
        say("nothing was written, for the gate is not passed.")
        return 1
    say(_written(made.path, model))
    if made.verification is None:
        say("its numbers were not compared with PyTorch's (--no-verify).")
        return 0
    return 0 if made.is_within_tolerance else 1


def _written(output: Path, model: Path) -> str:
    from nnapi_check.lowering.ndk.project import MODEL_NAME

    original = f"the original has {model.stat().st_size:,}"
    if not output.is_dir():
        return f"wrote {output} ({output.stat().st_size:,} bytes, {original})."
    file = output / MODEL_NAME
    return (
        f"wrote {output}: {MODEL_NAME} ({file.stat().st_size:,} bytes, {original}) and what runs it; see its README.md."
    )


def verify(output: Path, against: Path, form: str, options: Mapping[str, object]) -> int:
    """Compare a converted file with its original, and print the numbers."""
    from nnapi_check.conversion import verify_file

    import_modules(options)
    progress = Progress()
    found = verify_file(
        output,
        against,
        inputs_of(options),
        progress,
        with_layers=bool(options["layers"]),
        trust=_is_trusted(options),
    )
    progress.done()
    if form == "json":
        click.echo(verification_json(found))
    else:
        paint = paint_of(options)
        _print("\n".join(verification_lines(found, paint)).lstrip("\n") + "\n", paint)
    return 0 if found.is_within_tolerance else 1


def _show(
    report: ModelReport,
    model: Path,
    form: str,
    outputs: Sequence[Output],
    options: Mapping[str, object],
    sources: Sequence[Path],
    detail: Detail,
) -> None:
    origin = origin_of(model, report, Path.cwd())
    write_outputs(outputs, report, origin, sources)
    if form == Form.TEXT.value:
        paint = paint_of(options)
        _print(to_text(report, paint, detail), paint)
    else:
        click.echo(rendered(Form(form), report, origin), nl=False)


def _print(text: str, paint: Paint) -> None:
    # Whether there are colors is decided, so click must not take them away from what is no terminal.
    click.echo(printable(text, keeps_colors=paint.is_colored), nl=False, color=True)


def inputs_of(options: Mapping[str, object]) -> list[InputSpec | PlainSpec] | None:
    """The inputs that the options state, None where they state none."""
    given = options["inputs"]
    specs = [demand_input(str(text)) for text in given] if isinstance(given, tuple) else []
    return specs or None


def _outputs_of(options: Mapping[str, object]) -> tuple[Output, ...]:
    """The files that the options ask for, each once."""
    asked, html = options["outputs"], options["html"]
    found = [output for output in asked if isinstance(output, Output)] if isinstance(asked, tuple) else []
    return (*found, *([Output(Form.HTML, html)] if isinstance(html, Path) else []))


def _extras(form: str, outputs: Sequence[Output]) -> frozenset[Extra]:
    """What the formats show, the printed one and those of files."""
    return frozenset(extra for shown in (Form(form), *[output.form for output in outputs]) for extra in shown.extras)


def request_of(options: Mapping[str, object]) -> Request:
    """What is asked for: the options, and where they say nothing, the project's file."""
    project = find_project(Path.cwd())
    api_level, feature_level, baseline = (options.get(name) for name in ("api_level", "feature_level", "baseline"))
    overlay, device, target, choice = (options[name] for name in ("registry", "device", "target", "per_channel"))
    names_level = api_level is not None or feature_level is not None
    return Request(
        api_level=api_level if isinstance(api_level, int) else None if names_level else project.api_level,
        feature_level=feature_level
        if isinstance(feature_level, int)
        else None
        if names_level
        else project.feature_level,
        gate=_gate_of(options, project.gate),
        baseline=baseline if isinstance(baseline, Path) else project.baseline,
        trust=_is_trusted(options),
        overlay=overlay if isinstance(overlay, Path) else project.registry,
        device=device if isinstance(device, Path) else project.device,
        project=project.path,
        target=target if isinstance(target, str) else project.target,
        per_channel=PerChannelChoice(choice) if isinstance(choice, str) else project.per_channel,
        if_quantized=bool(options.get("if_quantized")),
        sizes=_sizes_of(options),
    )


def _sizes_of(options: Mapping[str, object]) -> tuple[str, ...]:
    given = options.get("sizes")
    return tuple(map(str, given)) if isinstance(given, tuple) else ()


def _gate_of(options: Mapping[str, object], project: Gate) -> Gate:
    """The gate that the options ask for, and where they ask for nothing, the project's."""

    def number(name: str, usual: float | None) -> float | None:
        found = options.get(name)
        return found if isinstance(found, float) else usual

    def whole(name: str, usual: int | None) -> int | None:
        found = options.get(name)
        return found if isinstance(found, int) else usual

    return Gate(
        min_score=number("min_score", project.min_score),
        requires_ready=bool(options.get("require_ready")) or project.requires_ready,
        requires_worthwhile=bool(options.get("require_worthwhile")) or project.requires_worthwhile,
        is_strict=bool(options.get("strict")) or project.is_strict,
        min_compute_share=number("min_compute_share", project.min_compute_share),
        min_integer_share=number("min_integer_share", project.min_integer_share),
        max_parts=whole("max_parts", project.max_parts),
        ready_from=whole("ready_from", project.ready_from),
        max_bytes=whole("max_bytes", project.max_bytes),
    )


def _is_trusted(options: Mapping[str, object]) -> bool:
    """Whether files may run code of their maker. ``--allow-pickle`` is what ``--trust`` was called before."""
    return bool(options["trust"] or options["allow_pickle"])
