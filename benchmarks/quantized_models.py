"""Converts torchvision's quantized models and tells how near they are to PyTorch, next to PyTorch's own engines.

``python -m benchmarks.quantized_models [--only TEXT] [--levels 3,8] [--images 20] [--size 64]``: each builder for
mobile use is made with random weights and calibrated on random images (BatchNorm's statistics as well, so that outputs
have many values), quantized eagerly and in FX graph mode for each engine, converted, and run on images. A row tells
the values of the output, the score, how many quantized values are exact on PyTorch's own inputs and the most steps
that one is off, signal to noise, and on how many images the best class is QNNPACK's: the converted model's, and that
of PyTorch's engine x86. Exit code 1: a model that is ready fails verification, or a conversion fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

import nnapi_check
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.verification.subject import Subject, open_subject

BUILDERS = (
    "mobilenet_v2",
    "mobilenet_v3_large",
    "resnet18",
    "resnet50",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "googlenet",
    "inception_v3",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
)
ENGINES = ("qnnpack", "fbgemm", "x86", "onednn")
SMALLEST = {"inception_v3": 139}
TARGETS = ("pytorch-mobile", "ndk")

Settle = Callable[[nn.Module, int], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One model: a builder, quantized eagerly or in FX graph mode, with the parameters of an engine."""

    builder: str
    is_fx: bool
    engine: str

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.builder} {'fx' if self.is_fx else 'eager'} {self.engine}"


def cases() -> Iterator[Case]:
    """Every builder eagerly for QNNPACK and FBGEMM, and in FX graph mode for every engine."""
    for builder in BUILDERS:
        yield from (Case(builder, False, engine) for engine in ENGINES[:2])
        yield from (Case(builder, True, engine) for engine in ENGINES)


def images(count: int, size: int, seed: int) -> list[torch.Tensor]:
    """Random images."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 3, size, size, generator=generator) for _ in range(count)]


def quantized(case: Case, size: int, settle: Settle | None = None) -> nn.Module:
    """The calibrated and quantized model; ``settle`` gives BatchNorm its statistics, where not as usual."""
    from torchvision import models

    torch.manual_seed(0)
    torch.backends.quantized.engine = case.engine
    source = models if case.is_fx else models.quantization
    options: dict[str, object] = {} if case.is_fx else {"quantize": False}
    if case.builder in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    module: nn.Module = getattr(source, case.builder)(weights=None, **options)
    (settle or settle_statistics)(module, size)
    if case.is_fx:
        mapping = quantization.get_default_qconfig_mapping(case.engine)
        prepared = quantize_fx.prepare_fx(module, mapping, (images(1, size, 1)[0],))
        _run(prepared, images(8, size, 2))
        return cast(nn.Module, quantize_fx.convert_fx(prepared)).eval()
    cast(Callable[..., None], module.fuse_model)(is_qat=False)
    config = quantization.get_default_qconfig(case.engine)  # type: ignore[no-untyped-call]  # it has no types
    setattr(module, "qconfig", config)  # noqa: B010  # a module's attributes are typed as tensors and modules
    quantization.prepare(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    _run(module, images(8, size, 2))
    quantization.convert(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    return module.eval()


def settle_statistics(module: nn.Module, size: int) -> None:
    """Give BatchNorm the statistics of random images."""
    module.train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            part.reset_running_stats()
        elif isinstance(part, nn.Dropout):
            part.p = 0.0
    _run(module, [torch.cat(images(8, size, seed)) for seed in (3, 4)])
    module.eval()


def _run(module: nn.Module, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    with torch.no_grad():
        return [module(item) for item in inputs]


def best_classes(path: Path, inputs: Sequence[torch.Tensor], engine: str) -> list[int]:
    """The class of the highest number for each image, by a TorchScript file in PyTorch with an engine."""
    torch.backends.quantized.engine = engine
    module = torch.jit.load(path)  # type: ignore[no-untyped-call]  # it has no types
    return [int(found.argmax()) for found in _run(module, inputs)]


def converted_classes(subject: Subject, inputs: Sequence[torch.Tensor], level: int) -> list[int]:
    """The same of a converted file."""
    facts = load_operations()
    torch.backends.quantized.engine = "qnnpack"
    return [int(subject.run([item], level, facts).outputs[0].argmax()) for item in inputs]


def try_case(case: Case, levels: Sequence[int], count: int, size: int, folder: Path) -> bool:
    """Convert a model for every target and level, print the rows, and say whether all hold."""
    size = max(size, SMALLEST.get(case.builder, 0))
    module, inputs = quantized(case, size), images(count, size, 5)
    model = folder / "model.pt"
    torch.jit.trace(module, inputs[0], check_trace=False).save(model)  # type: ignore[no-untyped-call]  # no types
    wanted, others = (best_classes(model, inputs, engine) for engine in ("qnnpack", "x86"))
    between = sum(a == b for a, b in zip(wanted, others, strict=True))
    distinct = len(set(_run(module, inputs[:1])[0].flatten().tolist()))
    holds = True
    for target in TARGETS:
        for level in levels:
            output = folder / ("model_ndk" if target == "ndk" else "model_nnapi.pt")
            report = nnapi_check.convert(
                model, output, inputs[:1], feature_level=level, target=target, layers=True, trust=True
            )
            found = report.verification
            if found is None:
                print(f"{case.name}, {target} {level}: {report.readiness}, not converted", flush=True)
                holds = False
                continue
            steps = [layer.numbers.steps for layer in found.layers if layer.numbers.steps is not None]
            classes = converted_classes(open_subject(output, load_operations()), inputs, level)
            agreed = sum(a == b for a, b in zip(wanted, classes, strict=True))
            noise = found.outputs[0].signal_to_noise
            print(
                f"{case.name}, {target} {level}: {distinct} values, score {report.score:.1f}, "
                f"{steps.count(0)} of {len(steps)} exact, {max(steps, default=0)} steps, "
                f"{'no noise' if noise is None else f'{noise:.1f} dB'}, best class {agreed} of {count}, "
                f"x86's {between}: {'holds' if found.is_within_tolerance else 'FAILS'}",
                flush=True,
            )
            holds = holds and found.is_within_tolerance
    return holds


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--levels", default="3,4,5,8")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    levels = [int(level) for level in options.levels.split(",")]
    holds = True
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            if options.only in case.name:
                try:
                    holds = try_case(case, levels, options.images, options.size, Path(folder)) and holds
                except (AttributeError, nnapi_check.UserError, nnapi_check.InternalError) as error:
                    print(f"{case.name}: {type(error).__name__}: {str(error)[:200]}", flush=True)
                    holds = False
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
