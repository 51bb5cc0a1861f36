"""Quantizes torchvision's models by PyTorch 2 Export, converts them, and tells how near they are to PyTorch.

``python -m benchmarks.exported_models [--only TEXT] [--levels 3,4,5,8] [--images 20] [--size 96]``: each builder is
made with random weights, BatchNorm's statistics and the quantizer are calibrated on random images, and what is exported
is converted and run through PyTorch's own loader on the host runtime. A row tells the values of the output, the
multiply-adds in integers, in floats and on the CPU, how many quantized values are exact on PyTorch's own inputs and
the most steps that one is off, signal to noise, on how many images the best class is PyTorch's, and the file's size
next to the program's. Needs torchao, or a PyTorch that quantizes programs itself. Exit code 1: a conversion or its
verification fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

import nnapi_check
from benchmarks.exported_flow import Flow, installed_flow, quantized_program
from benchmarks.quantized_models import converted_classes
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.verification.subject import open_subject

CASES = (
    ("layers", False),
    ("mobilenet_v2", False),
    ("resnet18", False),
    ("squeezenet1_1", False),
    ("shufflenet_v2_x0_5", False),
    ("mnasnet1_0", False),
    ("resnet18", True),
    ("mobilenet_v2", True),
)


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized program, and the module that it is of."""

    name: str
    path: Path
    module: nn.Module


def images(count: int, size: int, seed: int) -> list[torch.Tensor]:
    """Random images with something larger than a pixel in them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 12, 12, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    found = smooth + 0.3 * torch.randn(count, 3, size, size, generator=generator)
    return [image[None] for image in found]


def _built(name: str, size: int) -> nn.Module:
    if name == "layers":
        wide = nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, 256), nn.ReLU())
        return wide.append(nn.Linear(256, 256)).append(nn.ReLU()).append(nn.Linear(256, 100))
    import torchvision.models

    return cast("Callable[[], nn.Module]", getattr(torchvision.models, name))()


def quantized(flow: Flow, name: str, folder: Path, size: int, *, is_per_channel: bool) -> Quantized:
    """A builder, calibrated and quantized."""
    torch.manual_seed(3)
    model = _built(name, size).train()
    with torch.no_grad():
        for seed in range(6):
            model(torch.cat(images(8, size, seed)))
    title = f"{name} {'per channel' if is_per_channel else 'per tensor'}"
    path = folder / f"{title.replace(' ', '_')}.pt2"
    module = quantized_program(flow, model, images(24, size, 100), path, is_per_channel=is_per_channel)
    return Quantized(title, path, module)


def rows(model: Quantized, levels: list[int], tried: list[torch.Tensor]) -> Iterator[tuple[bool, str]]:
    """Whether each level's conversion holds, and its row."""
    with torch.no_grad():
        theirs = [model.module(image) for image in tried]
    facts = load_operations()
    values = len(torch.unique(torch.cat(theirs)))
    for level in levels:
        made = model.path.with_suffix(f".{level}.pt")
        report = nnapi_check.convert(model.path, made, feature_level=level, layers=True)
        found, work = report.verification, report.work
        if found is None:
            yield False, f"{model.name}, level {level}: {report.readiness}"
            continue
        classes = converted_classes(open_subject(made, facts), tried, level)
        same = sum(ours == int(other.argmax()) for ours, other in zip(classes, theirs, strict=True))
        steps = [layer.numbers.steps for layer in found.layers if layer.numbers.steps is not None]
        noise = found.outputs[0].signal_to_noise
        yield (
            found.is_within_tolerance,
            f"{model.name}, level {level}: {report.readiness} {report.score:.1f}, {len(report.parts)} parts, "
            f"{values} values, "
            f"{work.integers:,} multiply-adds in integers, {work.floats:,} in floats, {work.cpu:,} on the CPU, "
            f"{steps.count(0)} of {len(steps)} values exact, {max(steps, default=0)} steps at most, "
            f"{'exact' if noise is None else f'{noise:.1f} dB'}, best class of {same} of {len(tried)}, "
            f"{made.stat().st_size / model.path.stat().st_size:.2f} of the program's size"
            f"{'' if found.is_within_tolerance else ', NOT within tolerance'}",
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the cases and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--levels", default="3,4,5,8")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    flow = installed_flow()
    if flow is None:
        print("neither torchao nor a PyTorch that quantizes exported programs is installed")
        return 2
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, is_per_channel in CASES:
            if options.only not in name:
                continue
            model = quantized(flow, name, Path(folder), options.size, is_per_channel=is_per_channel)
            for holds, text in rows(
                model, [int(level) for level in options.levels.split(",")], images(options.images, options.size, 7)
            ):
                print(text, flush=True)
                bad += not holds
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
