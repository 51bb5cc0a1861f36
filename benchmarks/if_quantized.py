"""Holds what a check says that quantizing a model would bring against the check of the quantized model.

``python -m benchmarks.if_quantized [--only TEXT] [--levels 3,4,8] [--size 64]``: each of torchvision's builders
for mobile use is checked in floats with ``if_quantized``, and quantized eagerly for QNNPACK, with random weights and
calibrated. Verdict, score, parts, multiply-adds in integers, in floats and on the CPU, ops in floats and the bytes of
the weights must be the same. Exit code 1: something is not.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Mapping

from torch import nn
from torchvision import models

import nnapi_check
from benchmarks.quantized_builds import BUILDERS, SMALLEST, TARGETS, Build, images, quantized
from nnapi_check.reports.views import IfQuantizedView, ModelReport


def float_builder(name: str) -> nn.Module:
    """A builder's model of floats."""
    options: Mapping[str, object] = (
        {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    )
    module: nn.Module = getattr(models, name)(weights=None, **options)
    return module.eval()


def differences(estimate: IfQuantizedView, report: ModelReport) -> list[str]:
    """What an estimate says otherwise than the check of the quantized model."""
    pairs = {
        "verdict": (estimate.readiness, report.readiness),
        "score": (round(estimate.score, 3), round(report.score, 3)),
        "parts": (estimate.parts, len(report.parts)),
        "work": (estimate.work, report.work),
        "in floats": tuple(
            [(cause.because, len(cause.places)) for cause in found.in_floats] for found in (estimate, report)
        ),
        "on the CPU": (estimate.cpu_ops, report.nodes_total - report.nodes_on_nnapi),
    }
    if report.readiness == "ready":
        pairs["bytes"] = (estimate.weights_bytes, sum(part.weights_bytes for part in report.parts))
    return [f"{name}: {said}, found {found}" for name, (said, found) in pairs.items() if said != found]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--levels", default="3,4,8")
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    holds = True
    for name in BUILDERS:
        if options.only not in name:
            continue
        size = max(options.size, SMALLEST.get(name, 0))
        inputs = images(1, size, 1)
        plain, integers = float_builder(name), quantized(Build(name, False, "qnnpack"), size)
        for target in TARGETS:
            for level in (int(item) for item in options.levels.split(",")):
                estimate = nnapi_check.check(
                    plain, inputs, feature_level=level, target=target, if_quantized=True
                ).if_quantized
                report = nnapi_check.check(integers, inputs, feature_level=level, target=target)
                found = ["no estimate"] if estimate is None else differences(estimate, report)
                print(
                    f"{name}, {target} {level}: {'; '.join(found) or f'the same, score {report.score:.1f}'}", flush=True
                )
                holds = holds and not found
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
