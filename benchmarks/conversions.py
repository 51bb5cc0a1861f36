"""Whether the file that a conversion writes for a target computes what PyTorch does, on the host runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

import nnapi_check
from benchmarks.agreement import Disagreement, mismatches, span_of
from benchmarks.carrying import Carrier, Tensors
from benchmarks.draws import Draw
from benchmarks.promises import BLURRED, Broken, Fault, run, words_of


def hold_converted(
    module: torch.jit.ScriptModule, draws: Mapping[Draw, Tensors], level: int, carrier: Carrier
) -> Iterator[Fault]:
    """Convert a module whose check passes the gate, and hold its file against it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "converted.pt"
        try:
            target = carrier.target.name
            report = nnapi_check.convert(module, path, draws[Draw.SAMPLE], feature_level=level, target=target)
            if report.artifact is None or report.verification is None:
                return
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is counted here
            yield Fault(Broken.CONVERSION, level, Draw.SAMPLE, (), words_of(error))
            return
        if not report.verification.is_within_tolerance:
            told = f"relative error {max(output.max_relative for output in report.verification.outputs):g}"
            yield Fault(Broken.VERIFICATION, level, Draw.SAMPLE, (), told)
        for draw, tensors in draws.items():
            if draw not in (Draw.SAMPLE, Draw.FINITE):
                # What the differences say of other elements is held to part by part.
                continue
            wanted = run(module, tensors)
            try:
                (found,) = carrier.run(path, [tensors], level)
            except Exception as error:  # noqa: BLE001  # as above
                yield Fault(Broken.RUN, level, draw, (), words_of(error))
                continue
            for ours, theirs in zip(found.outputs, wanted or (), strict=False):
                allowance = 0.0 if report.score == 100 else BLURRED * span_of(theirs)
                for off in mismatches(ours, theirs, allowance=allowance, inputs=tensors):
                    if off.kind is not Disagreement.ZERO_SIGN:
                        yield Fault(Broken.CONVERTED, level, draw, (), f"{off.kind.value}: {off.first}")
