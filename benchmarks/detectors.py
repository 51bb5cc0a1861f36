"""Convert torchvision's detectors, traced and scripted, with boxes that survive, and compare what they find.

    python -m benchmarks.detectors                       every one as it is traced, a row of Markdown each
    python -m benchmarks.detectors --scripted            every one as it is scripted, for smaller photos
    python -m benchmarks.detectors fcos retina           those whose names hold one of these

Weights are random, so that all scores are near to each other: thresholds are lowered until boxes are left, for a
comparison of no boxes would be none. What is written runs in PyTorch's own binding on the host runtime, behind it the
rest of the detector on the CPU. Exit code 1: a detector is not converted, or finds something else.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torchvision import models

import nnapi_check
from benchmarks.torchvision_ops import Detector
from nnapi_check.reports.computing import shown_share

LEVEL = 4
THRESHOLDS: dict[str, dict[str, float]] = {
    "fcos_resnet50_fpn": {"score_thresh": 0.005},
    "retinanet_resnet50_fpn": {"score_thresh": 0.005},
    "retinanet_resnet50_fpn_v2": {"score_thresh": 0.005},
    "ssd300_vgg16": {"score_thresh": 0.01},
    "ssdlite320_mobilenet_v3_large": {},
    "fasterrcnn_resnet50_fpn": {"box_score_thresh": 0.011},
    "fasterrcnn_resnet50_fpn_v2": {"box_score_thresh": 0.011},
    "fasterrcnn_mobilenet_v3_large_fpn": {"box_score_thresh": 0.011},
    "fasterrcnn_mobilenet_v3_large_320_fpn": {"box_score_thresh": 0.011},
    "maskrcnn_resnet50_fpn": {"box_score_thresh": 0.011, "box_detections_per_img": 20},
    "maskrcnn_resnet50_fpn_v2": {"box_score_thresh": 0.011, "box_detections_per_img": 20},
    "keypointrcnn_resnet50_fpn": {"box_score_thresh": 0.0, "box_detections_per_img": 20},
}
"""Detectors, what scores boxes must have, and how many are kept where a mask or points are computed for each."""

_SIZE = {"min_size": 256, "max_size": 264}
"""Scripted detectors scale their photos to this; those with ``ssd`` in their names to a size of their own."""


def row(name: str, folder: Path, *, is_scripted: bool) -> tuple[str, bool]:
    """What became of a detector, and whether it finds the same."""
    torch.manual_seed(5)
    sizes = _SIZE if is_scripted and "ssd" not in name else {}
    options = {**THRESHOLDS[name], **sizes}
    detector = models.get_model(name, weights=None, weights_backbone=None, **options).eval()
    photo = torch.rand(3, 256, 264) if is_scripted else torch.rand(3, 320, 328)
    with torch.no_grad():
        boxes = len(detector([photo])[0]["boxes"])
    began = time.perf_counter()
    path = folder / f"{name}.pt"
    given: torch.nn.Module
    inputs: tuple[object, ...] = (photo,)
    if is_scripted:
        # It takes photos of any size, as a list.
        given, inputs = torch.jit.script(detector), ([photo],)
    else:
        # Boxes with nearly equal scores may change their places when a detector is traced: the trace is compared.
        given = torch.jit.trace(Detector(detector), (photo,), check_trace=False)  # type: ignore[no-untyped-call]  # no types
    report = nnapi_check.convert(given, path, inputs, feature_level=LEVEL, min_score=0)
    seconds = time.perf_counter() - began
    found = report.verification
    if found is None:
        return f"| {name} | {boxes} | {report.readiness} | | | | | |", False
    error = max(output.max_relative for output in found.outputs)
    cells = (
        f"{report.score:.1f}",
        str(len(report.parts)),
        shown_share(report.compute_coverage, uncounted=report.uncounted),
        f"{error:.0e}" if found.is_within_tolerance else f"**{error:.0e}**",
        f"{seconds:.0f}",
    )
    return f"| {name} | {boxes} | {report.readiness} | {' | '.join(cells)} |", found.is_within_tolerance and boxes > 0


def main(words: Sequence[str] | None = None) -> int:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scripted", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="TEXT")
    given = parser.parse_args(words)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print("| detector | boxes | verdict | score | parts | work | error | convert, s |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    holds = True
    with TemporaryDirectory() as folder:
        for name in THRESHOLDS:
            if not given.parts or any(part in name for part in given.parts):
                told, is_kept = row(name, Path(folder), is_scripted=given.scripted)
                print(told, flush=True)
                holds &= is_kept
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
