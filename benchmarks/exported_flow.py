"""Models that are quantized by PyTorch 2 Export, by whichever of its homes is installed: torch.ao or torchao."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

_HOMES = (
    ("torch.ao.quantization.quantize_pt2e", "torch.ao.quantization.quantizer.xnnpack_quantizer"),
    ("torchao.quantization.pt2e.quantize_pt2e", "torchao.testing.pt2e._xnnpack_quantizer"),
    ("torchao.quantization.pt2e.quantize_pt2e", "executorch.backends.xnnpack.quantizer.xnnpack_quantizer"),
)

Images = Sequence[torch.Tensor]


@dataclass(frozen=True, slots=True)
class Flow:
    """The functions of one home, and XNNPACK's quantizer."""

    prepare: Callable[[nn.Module, object], nn.Module]
    convert: Callable[[nn.Module], nn.Module]
    quantizer: Callable[[bool], object]


def installed_flow() -> Flow | None:
    """The flow that is installed; None where there is none."""
    for steps, quantizers in _HOMES:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                functions, xnnpack = importlib.import_module(steps), importlib.import_module(quantizers)
        except ImportError:
            continue

        def quantizer(is_per_channel: bool, home: object = xnnpack) -> object:
            configuration = home.get_symmetric_quantization_config(is_per_channel=is_per_channel)  # type: ignore[attr-defined]  # found by its name
            return home.XNNPACKQuantizer().set_global(configuration)  # type: ignore[attr-defined]  # as above

        return Flow(functions.prepare_pt2e, functions.convert_pt2e, quantizer)
    return None


def quantized_program(flow: Flow, model: nn.Module, images: Images, path: Path, *, is_per_channel: bool) -> nn.Module:
    """Quantize a model, calibrated on ``images``, and save it; gives the quantized module."""
    example = (images[0],)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        captured = cast("nn.Module", torch.export.export(model.eval(), example).module())
        prepared = flow.prepare(captured, flow.quantizer(is_per_channel))
        for image in images:
            prepared(image)
        found = flow.convert(prepared)
        torch.export.save(torch.export.export(found, example), path)
    return found
