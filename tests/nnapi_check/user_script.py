"""What a user of the Python API may write, with every public name: type-checked against the installed wheel."""

from __future__ import annotations

from pathlib import Path

import torch

import nnapi_check
from nnapi_check import (
    ConversionGateOptions,
    GateOptions,
    InputError,
    InternalError,
    LevelError,
    ModelReport,
    UserError,
    VerificationView,
)


def gate() -> GateOptions:
    return {"min_score": 80.0, "requires_worthwhile": True, "max_parts": 2}


def checked(model: str | Path | torch.nn.Module) -> list[str]:
    try:
        report = nnapi_check.check(model, [torch.rand(1, 3, 8, 8)], api_level=29, **gate())
    except (InputError, LevelError) as error:
        return [str(error)]
    except (UserError, InternalError):
        raise
    score: float = report.score
    passed: bool = report.gate.is_passed
    lines = [f"{report.summary} {score:.1f} {passed} {report!r}"]
    for blocker in report.blockers:
        place = blocker.places[0]
        lines.append(f"{blocker.op} {blocker.because} {blocker.fix} {place.file}:{place.line}")
    for level in report.levels:
        lines.append(f"{level.level} {level.readiness}")
    return lines


def converted(module: torch.nn.Module, output: Path) -> float:
    asked: ConversionGateOptions = {"max_bytes": 10_000_000, "strict": True}
    report = nnapi_check.convert(module, output, {"x": "f32[1,3,8,8]"}, feature_level=3, layers=True, **asked)
    if report.verification is None:
        return 0.0
    written(report, output.parent)
    again: VerificationView = nnapi_check.verify(output, module, [torch.rand(1, 3, 8, 8)])
    return max(found.max_relative for found in again.outputs)


def written(report: ModelReport, folder: Path) -> str:
    (folder / "report.html").write_text(report.as_html())
    (folder / "report.json").write_text(report.as_json())
    return report.as_text()


def known() -> str:
    names = [operation.name for operation in nnapi_check.registry().operations()]
    return nnapi_check.explain("nn.Conv2d") + ", ".join(names)
