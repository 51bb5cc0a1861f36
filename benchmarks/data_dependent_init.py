"""Random weights with which a network's outputs hang on its inputs, as those of a trained one do.

Many networks start with weights that compute next to nothing: a head of zeros, branches scaled by a millionth, batch
norms whose statistics were never measured, so that signals fade from layer to layer. A comparison of what such a
network gives compares constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import nn

from nnapi_check.analyzer.tensor_types import flat_tensors

SPREAD = 3e-3
"""Outputs change by more than this share of their greatest element where the inputs are others."""

_DAMPINGS = (64.0, 16.0, 4.0, 1.0)

FADED = 0.1
"""Layers whose sums deviate by less than this are scaled up to a deviation of one."""

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def initialize_by_data(module: nn.Module, inputs: Sequence[object]) -> nn.Module:
    """Draw each parameter whose elements are all the same. Where outputs still hardly hang on inputs, give norms the
    statistics of what they read in a run, and greater weights to layers whose sums fade.

    Such networks amplify what changes, rounding too, so that norms make as little of it as will do. The module is
    changed and returned, in evaluation mode.
    """
    module.eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.is_floating_point() and parameter.numel() > 1 and _is_constant(parameter):
                parameter.copy_(_drawn_like(parameter))
    for damping in _DAMPINGS:
        if change_by_inputs(module, inputs) >= SPREAD:
            break
        _measure_all(module, inputs, damping)
    return module


def _is_constant(parameter: torch.Tensor) -> bool:
    return bool((parameter == parameter.flatten()[0]).all())


def _measure_all(module: nn.Module, inputs: Sequence[object], damping: float) -> None:
    hooks = []
    for part in module.modules():
        if getattr(part, "running_mean", None) is not None and getattr(part, "running_var", None) is not None:
            hooks.append(part.register_forward_pre_hook(partial(_measure, damping)))
        elif isinstance(part, _LAYERS) and isinstance(part.weight, nn.Parameter):
            hooks.append(part.register_forward_hook(_scale))
    with torch.no_grad():
        module(*inputs)
    for hook in hooks:
        hook.remove()


def _drawn_like(constant: torch.Tensor) -> torch.Tensor:
    """Elements in place of equal ones: matrices for layers, scales near the one they had, or great enough to count."""
    value = float(constant.flatten()[0])
    if value == 0 and constant.dim() > 1:
        return torch.randn_like(constant) / math.sqrt(constant[0].numel())
    drawn = torch.rand_like(constant) * 0.2 - 0.1
    return drawn if value == 0 else drawn + (value if abs(value) > 0.1 else 0.2)


def _measure(damping: float, norm: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
    """Set a norm's statistics to those of its input, channels in its second dimension, its variance greater."""
    read = given[0].detach().float()
    if read.numel() < 2:
        return
    channels = read.transpose(0, 1).flatten(1)
    own = channels.var(1) if channels.shape[1] > 1 else torch.zeros(len(channels))
    cast(torch.Tensor, norm.running_mean).copy_(channels.mean(1))
    # One input varies less than many would: channels that hardly do are not blown up.
    cast(torch.Tensor, norm.running_var).copy_(damping * (own + channels.var()))


def _scale(layer: nn.Module, given: tuple[torch.Tensor, ...], found: torch.Tensor) -> torch.Tensor:
    """Give a layer greater weights where its sums deviate by little from its biases."""
    sums = found if layer.bias is None else found - layer.forward(torch.zeros_like(given[0]))
    deviation = float(sums.std()) if sums.numel() > 1 else 1.0
    if not 0.0 < deviation < FADED:
        return found
    cast(torch.Tensor, layer.weight).div_(deviation)
    return cast(torch.Tensor, layer.forward(*given))


def change_by_inputs(module: nn.Module, inputs: Sequence[object]) -> float:
    """How far outputs change, as a share of the greatest element, where each input is turned around, and real ones are
    less."""
    turned = [item.flip(tuple(range(item.dim()))) if isinstance(item, torch.Tensor) else item for item in inputs]
    others = [item * 0.75 if isinstance(item, torch.Tensor) and item.is_floating_point() else item for item in turned]
    with torch.no_grad():
        first, second = (_real_outputs(module, given) for given in (inputs, others))
    pairs = [
        (a, b) for a, b in zip(first, second, strict=True) if a.shape == b.shape and a.numel() and a.is_floating_point()
    ]
    return min((float((a - b).abs().max() / a.abs().max().clamp(min=1e-30)) for a, b in pairs), default=0.0)


def _real_outputs(module: nn.Module, inputs: Sequence[object]) -> list[torch.Tensor]:
    found = flat_tensors(module(*inputs))
    return [tensor.dequantize() if tensor.is_quantized else tensor for tensor in found]
