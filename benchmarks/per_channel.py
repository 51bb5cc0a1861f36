"""Converts torchvision's quantized models in every way that scales per channel allow, and tells what each way costs.

``python -m benchmarks.per_channel [--only TEXT] [--images 4] [--size 64] [--octaves 0]``: each builder for mobile use
is made with random weights, its BatchNorm's statistics are those of random images, and it is quantized eagerly with
FBGEMM's parameters, which have a scale for each channel. With ``--octaves X`` BatchNorm's weights are drawn too, as 2
to the power of normal numbers of that deviation, so that scales differ as much as in trained models. A row tells, for
each way: the signal to noise of PyTorch's own quantized model against the float model, that of the converted one, what
it changes, and that against PyTorch's; the shares of multiply-adds in integers, in floats and on the CPU; NNAPI's
operations; and the file's size beside the original's. Exit code 1: a conversion fails.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import nnapi_check
from benchmarks import quantized_builds
from benchmarks.quantized_builds import BUILDERS, SMALLEST, Build, images, quantized
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.targets import PerChannelChoice
from nnapi_check.lowering.verification.comparison import compare
from nnapi_check.lowering.verification.subject import open_subject

LEVEL = 3


@dataclass(frozen=True, slots=True)
class Model:
    """A quantized model beside the float one that it was made of, images, and what both make of them."""

    module: nn.Module
    photos: torch.Tensor
    in_floats: torch.Tensor
    wanted: torch.Tensor


def made(builder: str, size: int, count: int, octaves: float) -> Model:
    """The model of a builder, and what it gives for so many images."""
    settled: list[nn.Module] = []
    settle = quantized_builds.settle_statistics

    def stirred(module: nn.Module, size: int) -> None:
        if octaves:
            _stir(module, octaves)
        settle(module, size)
        settled.append(copy.deepcopy(module).eval())

    module = quantized(Build(builder, False, "fbgemm"), size, stirred)
    photos = torch.cat(images(count, size, 5))
    torch.backends.quantized.engine = "qnnpack"
    with torch.no_grad():
        return Model(module, photos, settled[0](photos), module(photos))


def _stir(module: nn.Module, octaves: float) -> None:
    generator = torch.Generator().manual_seed(7)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            with torch.no_grad():
                part.weight.copy_(torch.exp2(torch.randn(part.weight.shape, generator=generator) * octaves))
                part.bias.copy_(torch.randn(part.bias.shape, generator=generator) * 0.3 * part.weight)


def rows(builder: str, model: Model, folder: Path) -> Iterator[str]:
    """A row for each way."""
    own, original = compare(model.wanted, model.in_floats).signal_to_noise, folder / "model.pt"
    values = len(set(model.wanted[0].tolist()))
    torch.jit.trace(model.module, model.photos, check_trace=False).save(original)  # type: ignore[no-untyped-call]  # no types
    for choice in PerChannelChoice:
        output = folder / "model_nnapi.pt"
        output.unlink(missing_ok=True)
        report = nnapi_check.convert(
            original, output, feature_level=LEVEL, per_channel=choice.value, trust=True, verify=False
        )
        work, operations = report.work, sum(part.operations for part in report.parts)
        shares = " ".join(f"{part / report.multiply_adds:6.1%}" for part in (work.integers, work.floats, work.cpu))
        noise = ""
        size = 1.0
        if output.exists():
            facts = load_operations()
            found = open_subject(output, facts).run([model.photos], LEVEL, facts).outputs[0]
            against = compare(found, model.in_floats).signal_to_noise
            noise = f"{against:6.2f} {against - own:+6.2f} {compare(found, model.wanted).signal_to_noise:6.2f}"
            size = output.stat().st_size / original.stat().st_size
        yield f"{builder:20} {choice.value:10} {values:4} {own:6.2f} {noise:20} {shares} {operations:4} {size:.3f}"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--octaves", type=float, default=0.0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    print("builder              way      values PyTorch   ours  change against  integer  float   CPU  operations size")
    holds = True
    with tempfile.TemporaryDirectory() as folder:
        for builder in (name for name in BUILDERS if options.only in name):
            try:
                size = max(options.size, SMALLEST.get(builder, 0))
                for row in rows(builder, made(builder, size, options.images, options.octaves), Path(folder)):
                    print(row, flush=True)
            except (AttributeError, nnapi_check.UserError, nnapi_check.InternalError) as error:
                print(f"{builder}: {type(error).__name__}: {str(error)[:200]}", flush=True)
                holds = False
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
