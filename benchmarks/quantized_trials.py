"""Quantized models whose outputs tell, converted for a target and held against PyTorch and against its other engine."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import torch
from torch import nn

from benchmarks.classifiers import LEAST_VALUES
from benchmarks.exported_flow import Flow, quantized_program
from benchmarks.measured_page import words_of
from benchmarks.quantized_builds import Build, average_statistics, built, quantize, run
from benchmarks.quantized_rows import EAGER, EXPORTED, Case, Row, Trial
from nnapi_check.conversion import ConversionOptions, convert_model, verify_file
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.packaging.quantized_clamps import clamps_mended
from nnapi_check.lowering.verification.comparison import compare
from nnapi_check.lowering.verification.subject import Subject, open_subject
from nnapi_check.lowering.verification.verify import Verification
from nnapi_check.pipeline import Request
from nnapi_check.progress import Progress
from nnapi_check.reports.views import ModelReport

LARGEST_FILE = 1.05
"""The file's size beside the model's."""

LEAST_CLASSES = 10
"""So many best classes images have, or each its own."""

_TRIED, _SETTLED, _CALIBRATED = 0, 10_000, 20_000
"""Seeds of the images to try, those that batch norms are settled on, and those that observers see."""

_SETTLED_ON, _CALIBRATED_ON = 32, 24


@dataclass(frozen=True, slots=True)
class Made:
    """A quantized model's file, the images it is tried on, and what PyTorch makes of them.

    ``theirs`` is by QNNPACK, which phones have, ``others`` by the engine of desktops, and ``floats`` by the model
    before it was quantized.
    """

    case: Case
    path: Path
    photos: Sequence[torch.Tensor]
    theirs: torch.Tensor
    others: torch.Tensor
    floats: torch.Tensor


def image_size(case: Case) -> tuple[int, int]:
    """Height and width of the images: not square, which shows swapped axes."""
    return (107, 139) if case.builder == "inception_v3" else (64, 96)


def photo(case: Case, number: int) -> torch.Tensor:
    """A random image: patches of color with noise on them."""
    height, width = image_size(case)
    generator = torch.Generator().manual_seed(number)
    patches = torch.randn(1, 3, 5, 7, generator=generator)
    colors = nn.functional.interpolate(patches, (height, width), mode="bilinear")
    return colors + 0.3 * torch.randn(1, 3, height, width, generator=generator)


def photos(case: Case, count: int, first: int) -> list[torch.Tensor]:
    """So many images."""
    return [photo(case, first + number) for number in range(count)]


def settle(module: nn.Module, batch: torch.Tensor) -> None:
    """Let a model with random weights tell images apart, and keep their differences through its layers as trained ones
    do.

    Batch norms have the statistics of a batch, and shifts by which most of what reaches a ReLU passes it: random layers
    that drop half of it magnify every rounding, until quantization leaves nothing of the signal. The last layer's
    biases center each class over the batch.
    """
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.8, 1.2, generator=generator)
            nn.init.uniform_(part.bias, 0.5, 1.5, generator=generator)
    average_statistics(module, [batch])
    biased = [part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv2d) and part.bias is not None]
    with torch.no_grad():
        means = module(batch).mean(0)
        # SqueezeNet's classes are of a convolution, and pass a ReLU.
        cast(torch.Tensor, biased[-1].bias).sub_(means if isinstance(biased[-1], nn.Linear) else means - means.mean())


def make(case: Case, count: int, folder: Path, flow: Flow | None) -> Made:
    """Make the model of a case, and let PyTorch compute so many images."""
    build = Build(case.builder, case.form != EAGER, case.parameters)
    module = built(build)
    settle(module, torch.cat(photos(case, _SETTLED_ON, _SETTLED)))
    in_floats = copy.deepcopy(module).eval()
    seen, tried = photos(case, _CALIBRATED_ON, _CALIBRATED), photos(case, count, _TRIED)
    if case.form == EXPORTED:
        if flow is None:
            raise RuntimeError("neither torchao nor a PyTorch that quantizes exported programs is installed")
        path = folder / "model.pt2"
        program = quantized_program(flow, module, seen, path, is_per_channel=case.parameters == "per channel")
        theirs = torch.cat(run(program, tried))
        with torch.backends.mkldnn.flags(enabled=False):
            others = torch.cat(run(program, tried))
    else:
        path = folder / "model.pt"
        module = quantize(module, build, seen)
        torch.jit.trace(module, tried[0], check_trace=False).save(path)  # type: ignore[no-untyped-call]  # no types
        theirs, others = (_computed(path, tried, engine) for engine in ("qnnpack", "x86"))
    return Made(case, path, tried, theirs, others, torch.cat(run(in_floats, tried)))


def _computed(path: Path, tried: Sequence[torch.Tensor], engine: str) -> torch.Tensor:
    """What a TorchScript file gives by an engine, its clamps as PyTorch means them."""
    torch.backends.quantized.engine = engine
    module = torch.jit.load(path)  # type: ignore[no-untyped-call]  # it has no types
    with clamps_mended(module):
        return torch.cat(run(module, tried))


def tried(made: Made, target: str, levels: Sequence[int]) -> Iterator[Row]:
    """Convert a model for a target at each level, and tell. Levels with the same NNAPI models are run once."""
    known: dict[str, torch.Tensor] = {}
    for level in levels:
        yield _tried_at(made, target, level, known)


def blank(trial: Trial, level: int, count: int) -> Row:
    """The row of what has not been tried."""
    case = trial.case
    return Row(case.builder, case.form, case.parameters, trial.target, level, *image_size(case), count)


def _tried_at(made: Made, target: str, level: int, known: dict[str, torch.Tensor]) -> Row:
    started = time.perf_counter()
    row = replace(
        blank(Trial(made.case, target), level, len(made.photos)),
        values=len(set(made.theirs[0].tolist())),
        classes=len(set(made.theirs.argmax(1).tolist())),
        between=_noise(made.others, made.theirs),
        rounding=_noise(made.theirs, made.floats),
        agreed_between=_agreed(made.others, made.theirs),
    )
    output = made.path.parent / ("converted" if target == "ndk" else "converted.pt")
    request = Request(feature_level=level, target=target, trust=True)
    quiet = Progress(is_quiet=True)
    try:
        options = ConversionOptions(with_layers=True)
        converted = convert_model(made.path, made.photos[:1], output, request, quiet, options)
        row = _told(row, converted.report, converted.verification)
        if converted.verification is not None:
            subject = open_subject(output, load_operations())
            key = _digest(subject)
            if key not in known:
                known[key] = _converted(subject, made.photos, level)
                again = verify_file(output, made.path, made.photos[1:2], quiet, with_layers=False, trust=True)
                row = row if again.is_within_tolerance else replace(row, fault="verify fails on another image")
            ours = known[key]
            size = subject.path.stat().st_size / made.path.stat().st_size
            row = replace(row, noise=_noise(ours, made.theirs), agreed=_agreed(ours, made.theirs), size=round(size, 4))
            row = replace(row, fault=row.fault or _fault(row, converted.report, converted.verification))
    except Exception as error:  # noqa: BLE001  # a row tells what went wrong, whatever it is
        row = replace(row, fault=words_of(error))
    seconds = round(time.perf_counter() - started, 2)
    return replace(row, seconds=seconds, date=datetime.now(UTC).date().isoformat())


def _told(row: Row, report: ModelReport, found: Verification | None) -> Row:
    row = replace(
        row,
        verdict=report.readiness,
        score=round(report.score, 2),
        parts=len(report.parts),
        integers=report.work.integers,
        floats=report.work.floats,
        cpu=report.work.cpu,
    )
    if found is None:
        return replace(row, fault=f"not converted, though it is {report.readiness}")
    stepped = [
        (layer.op, layer.numbers.steps)
        for layer in (() if report.verification is None else report.verification.layers)
        if layer.numbers.steps is not None
    ]
    first = found.outputs[0]
    return replace(
        row,
        layers=len(stepped),
        exact=sum(steps == 0 for _, steps in stepped),
        within=sum(steps <= 1 for _, steps in stepped),
        steps=max((steps for _, steps in stepped), default=0),
        inexact=tuple(sorted(Counter(op for op, steps in stepped if steps))),
        first_noise=_finite(first.signal_to_noise),
        least_noise=_finite(first.least_signal_to_noise),
    )


def _fault(row: Row, report: ModelReport, found: Verification) -> str:
    if not found.is_within_tolerance:
        return f"verification fails: {row.first_noise} dB, at least {row.least_noise}"
    if "on the host runtime" not in found.ran_in:
        return f"ran in {found.ran_in}"
    if found.executions != row.parts:
        return f"{found.executions} of {row.parts} NNAPI models ran"
    if row.size > LARGEST_FILE:
        return f"the file has {row.size} times the model's size"
    if row.floats and not report.in_floats:
        return f"{row.floats} multiply-adds in floats, and the report names none"
    if row.values < LEAST_VALUES:
        return f"the output has {row.values} values"
    if row.classes < min(row.count, LEAST_CLASSES):
        return f"{row.count} images have {row.classes} best classes"
    return ""


def _converted(subject: Subject, tried: Sequence[torch.Tensor], level: int) -> torch.Tensor:
    facts = load_operations()
    torch.backends.quantized.engine = "qnnpack"
    return torch.cat([subject.run([item], level, facts).outputs[0] for item in tried])


def _digest(subject: Subject) -> str:
    """What is the same where a file has the same NNAPI models, and so computes the same."""
    found = hashlib.sha256()
    for part in subject.parts:
        found.update(repr(part.model).encode())
        for buffer in part.buffers:
            plain = (buffer.int_repr() if buffer.is_quantized else buffer).detach()
            found.update(plain.contiguous().numpy().tobytes())
    return found.hexdigest()


def _noise(found: torch.Tensor, wanted: torch.Tensor) -> float | None:
    return _finite(compare(found, wanted).signal_to_noise)


def _finite(number: float) -> float | None:
    return round(number, 2) if math.isfinite(number) else None


def _agreed(found: torch.Tensor, wanted: torch.Tensor) -> int:
    """On how many images the best class is PyTorch's, or one of those that are equally good there."""
    best = wanted.gather(1, found.argmax(1, keepdim=True))
    return int((best[:, 0] == wanted.amax(1)).sum())
