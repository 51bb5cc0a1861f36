"""PyTorch's own converter, as its users call it, and what it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch.backends._nnapi.prepare import convert_model_to_nnapi

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.serialize import deserialize
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate

# PyTorch's own functions have no annotations.
_trace = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.trace)
_to_nnapi = cast("Callable[..., torch.jit.ScriptModule]", convert_model_to_nnapi)

FACTS = load_operations()
_NAMES = {facts.code: name for name, facts in FACTS.items()}


def as_nhwc(image: torch.Tensor) -> torch.Tensor:
    """The input as the converter wants it for a network that should run in NHWC."""
    image = image.contiguous(memory_format=torch.channels_last)
    image.nnapi_nhwc = True  # type: ignore[attr-defined]  # A mark that the converter reads.
    return image


def convert(net: torch.nn.Module, *inputs: torch.Tensor) -> torch.jit.ScriptModule:
    """The network as a module that runs in NNAPI."""
    with torch.no_grad():
        return _to_nnapi(_trace(net.eval(), inputs), list(inputs))


def model_of(converted: torch.jit.ScriptModule) -> Model:
    """The NNAPI model inside a converted module."""
    model = deserialize(converted.mod.ser_model.numpy().tobytes(), _NAMES)
    if not isinstance(model, Model):
        raise TypeError(f"the converter's bytes are {model}")
    return model


def broken_rules(converted: torch.jit.ScriptModule) -> set[Rule]:
    """The rules of NNAPI that a converted module's model breaks."""
    return {fault.rule for fault in validate(model_of(converted), FACTS).faults}


def without_in_place(net: torch.nn.Module) -> torch.nn.Module:
    """The network with activations that the converter knows: not in place."""
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU | torch.nn.ReLU6):
            module.inplace = False
    return net
