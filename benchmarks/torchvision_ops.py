"""Trace and export every model of torchvision, and list the ops of which the registry has no card.

    python benchmarks/torchvision_ops.py [MODEL ...]

Detectors are traced inside a module that takes one photo and gives a tuple, as traces can hold no dictionary of lists.
Exit code 1 where an op has no card.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from operator import getitem
from pathlib import Path

import torch
from torchvision import models

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nnapi_check import registry
from nnapi_check.analyzer.capture.spellings import op_name
from nnapi_check.analyzer.ops.calls import operation_of
from nnapi_check.analyzer.torchscript import quantized_as_on_phones

_VIDEO = ("r3d", "mc3", "r2plus1d", "s3d", "mvit", "swin3d")
_DETECTORS = ("rcnn", "retinanet", "ssd", "fcos")
_BACKBONES = (*_DETECTORS, "deeplab", "fcn_", "lraspp")


class Detector(torch.nn.Module):
    """A detector of one photo, whose output is a tuple of tensors."""

    def __init__(self, detector: Callable[[list[torch.Tensor]], list[dict[str, torch.Tensor]]]) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, photo: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Boxes, labels, scores and what else it finds."""
        return tuple(self.detector([photo])[0].values())


@quantized_as_on_phones()
def ops_of(name: str) -> set[str]:
    """The names of all ops in a model's trace, and in its exported program where PyTorch can export it."""
    subject, inputs = module_and_inputs(name)
    traced = torch.jit.trace(subject, inputs, check_trace=False, strict=False)  # type: ignore[no-untyped-call]  # it has no types
    found = set(_ops_in(traced.inlined_graph))
    if not name.startswith("quantized_") and not isinstance(subject, Detector):
        program = torch.export.export(subject, inputs)
        called = {node.target for node in program.graph.nodes if node.op == "call_function"}
        found.update(str(target) for target in called if target is not getitem)
    return found


@quantized_as_on_phones()
def module_and_inputs(name: str, **options: object) -> tuple[torch.nn.Module, tuple[torch.Tensor, ...]]:
    """A model of torchvision with random weights, and inputs of its kind; a detector gives a tuple of tensors."""
    if name.startswith("quantized_"):
        options = {"quantize": True, **options}
    if any(word in name for word in _BACKBONES):
        options = {"weights_backbone": None, **options}
    module = models.get_model(name, weights=None, **options).eval()
    is_detector = any(word in name for word in _DETECTORS)
    photo = torch.rand(3, 320, 328) if is_detector else torch.rand(1, 3, 299, 299)
    inputs: tuple[torch.Tensor, ...] = (photo,)
    if "raft" in name:
        inputs = (torch.rand(1, 3, 128, 136), torch.rand(1, 3, 128, 136))
    elif any(word in name for word in _VIDEO):
        inputs = (torch.rand(1, 3, 16, 224, 224),)
    elif not is_detector and "inception" not in name:
        inputs = (torch.rand(1, 3, 224, 224),)
    return (Detector(module) if is_detector else module), inputs


def _ops_in(graph: torch.Graph | torch.Block) -> Iterator[str]:
    for node in graph.nodes():
        if node.schema() != "(no schema)" and not node.kind().startswith("prim::"):
            operation = operation_of(node.schema())
            if any("Tensor" in argument.kind for argument in operation.arguments) or "Tensor" in str(node.output()):
                yield op_name(operation)
        for block in node.blocks():
            yield from _ops_in(block)


def main(names: list[str]) -> int:
    """Look through the models, and tell what has no card."""
    warnings.filterwarnings("ignore")
    known = registry()
    without: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name in names or models.list_models():
        found = ops_of(name)
        seen |= found
        for op in sorted(found):
            if not known.has_card(op):
                without.setdefault(op, []).append(name)
        print(f"{name}: {len(found)} ops", file=sys.stderr, flush=True)
    for op, users in sorted(without.items()):
        print(f"{op}: {', '.join(users[:5])}")
    print(f"{len(seen)} ops, {len(without)} without a card")
    return 1 if without else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
