"""The files that are tried: originals and what they convert to, full and lite, with inputs and what they must give."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.ao import quantization

import nnapi_check

LEVEL = 4
"""The feature level that files are converted for, and NNAPI plays."""


@dataclass(frozen=True, slots=True)
class Told:
    """A tensor as numbers."""

    shape: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A file that is run with inputs on one of its paths, what it must give, and its executions in NNAPI at a call."""

    id: str
    kind: str
    form: str
    path: str
    file: str
    inputs: tuple[Told, ...]
    outputs: tuple[Told, ...]
    executions: int

    def document(self) -> dict[str, object]:
        """The run as JSON tells it."""
        return asdict(self)


class Whole(nn.Module):
    """One NNAPI model."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, (3, 5), padding=(1, 2)), nn.BatchNorm2d(8)
        self.pool, self.last = nn.MaxPool2d((2, 3)), nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Ten numbers an image."""
        y = self.pool(torch.relu(self.norm(self.first(x))))
        found: torch.Tensor = self.last(y.mean((2, 3)))
        return found


class Split(nn.Module):
    """Two NNAPI models and PyTorch between them, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The last and the middle."""
        middle = torch.sinc(self.first(x))
        return self.second(middle), middle


class Branching(nn.Module):
    """A branch that is decided at run time, with an NNAPI model on each side."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.left, self.right = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 32, 3), nn.Conv2d(32, 32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One of both."""
        y = self.first(x)
        return torch.relu(self.left(y)) if bool(y.sum() > 1e6) else torch.tanh(self.right(y))


def _quantized(x: torch.Tensor) -> nn.Module:
    torch.backends.quantized.engine = "qnnpack"
    module = quantization.QuantWrapper(nn.Sequential(nn.Conv2d(3, 8, (3, 5)), nn.ReLU(), nn.Conv2d(8, 4, 3))).eval()
    config = quantization.QConfig(quantization.HistogramObserver, quantization.default_weight_observer)  # type: ignore[no-untyped-call]  # it has no types
    module.__dict__["qconfig"] = config
    quantization.prepare(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    module(x)
    converted: nn.Module = quantization.convert(module)  # type: ignore[no-untyped-call]  # it has no types
    return converted


def _traced(module: nn.Module, x: torch.Tensor) -> torch.jit.ScriptModule:
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
    return trace(module, x)


MODELS: dict[str, Callable[[torch.Tensor], torch.jit.ScriptModule]] = {
    "whole": lambda x: _traced(Whole().eval(), x),
    "split": lambda x: _traced(Split().eval(), x),
    "branching": lambda _: torch.jit.script(Branching().eval()),
    "quantized": lambda x: _traced(_quantized(x), x),
}


def written_runs(folder: Path) -> Iterator[Run]:
    """Write every file, and give every run of it."""
    for name, make in MODELS.items():
        torch.manual_seed(3)
        x = torch.rand(1, 3, 24, 40)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            module = make(x)
            found = module(x)
        outputs = tuple(_told(tensor) for tensor in ([found] if isinstance(found, torch.Tensor) else found))
        files = {("original", "full"): folder / f"{name}.pt", ("original", "lite"): folder / f"{name}.ptl"}
        torch.jit.save(module, str(files["original", "full"]))
        module._save_for_lite_interpreter(str(files["original", "lite"]))
        executions = 0
        for form in ("full", "lite"):
            files["converted", form] = folder / f"{name}_nnapi.{form}.pt"
            report = nnapi_check.convert(
                files["original", "full"], files["converted", form], [x], feature_level=LEVEL, lite=form == "lite"
            )
            if report.verification is None or not report.verification.is_within_tolerance:
                raise RuntimeError(f"{name} does not convert within tolerance: {report.gate.reasons}")
            executions = report.verification.executions
        for (kind, form), file in files.items():
            for path in ("cpu", "nnapi") if kind == "converted" else ("as saved",):
                run = f"{name} {kind} {form} {path}"
                expected = executions if path == "nnapi" else 0
                yield Run(run, kind, form, path, str(file), (_told(x),), outputs, expected)


def _told(tensor: torch.Tensor) -> Told:
    return Told(tuple(tensor.shape), tuple(tensor.dequantize().flatten().tolist()))
