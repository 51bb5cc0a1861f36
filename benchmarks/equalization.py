"""What equalizing scales across layers would do for weights that are rounded to one scale, in PyTorch alone.

``python -m benchmarks.equalization [--images 4] [--size 128]``: models of ``benchmarks/per_channel.py``, quantized with
a scale for each channel. Each pair of layers of which the second alone reads what the first gives, through a ReLU at
most, can have channel c of the first divided by a factor and the weights that read it multiplied by it. A factor is 1
at least, so that nothing saturates that did not before; such a channel then has fewer steps. Factors are

- none: weights are rounded to one scale as they are,
- ranges: the root of the ratio of both layers' weights, over its least, as models of floats are equalized,
- scales: the root of the channel's scale over the median, 2 at most, which a check could know without the weights; the
  new scales are then the most that the old scales and the factors allow.

Rows tell the signal to noise against the model of floats, in decibels: PyTorch's with its scales for each channel, and
with one scale and each kind of factor.
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.ao.nn import quantized as nnq

from benchmarks.per_channel import made
from nnapi_check.lowering.verification.comparison import compare

BUILDERS = ("mobilenet_v2", "resnet18")
WAYS = ("none", "ranges", "scales")
_LARGEST = 127
_MOST = 2.0


@dataclass(slots=True)
class _Weights:
    """A layer's weights and bias, and what is known of the scales: by output channel, and the factors of its inputs."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    scales: torch.Tensor
    factors_in: float = 1.0

    @property
    def ranges_out(self) -> torch.Tensor:
        """The greatest weight of each output channel."""
        return self.weight.abs().amax(dim=(1, 2, 3)).clamp(min=1e-8)

    def ranges_in(self, *, is_depthwise: bool) -> torch.Tensor:
        """The greatest weight that reads each input channel."""
        dims = (1, 2, 3) if is_depthwise else (0, 2, 3)
        return self.weight.abs().amax(dim=dims).clamp(min=1e-8)


def pairs(model: nn.Module, builder: str) -> Iterator[tuple[nnq.Conv2d, nnq.Conv2d]]:
    """Layers with the one that alone reads what they give: those of one block."""
    names = ("features",) if builder == "mobilenet_v2" else ("layer1", "layer2", "layer3", "layer4")
    for block in (block for name in names for block in model.get_submodule(name).children()):
        layers = [part for part in block.modules() if isinstance(part, nnq.Conv2d)]
        # A block of a ResNet has the layer beside its sum last.
        yield from pairwise(layers if builder == "mobilenet_v2" else layers[:2])


def _held(layer: Any) -> _Weights:  # PyTorch's quantized layers have no types
    weight = layer.weight()
    return _Weights(weight.dequantize(), layer.bias(), weight.q_per_channel_scales().float())


def rounded(model: nn.Module, builder: str, way: str) -> nn.Module:
    """The model with weights of one scale, equalized in one of the ways."""
    model = copy.deepcopy(model)
    layers = [part for part in model.modules() if isinstance(part, nnq.Conv2d)]
    held = {layer: _held(layer) for layer in layers}
    for first, second in pairs(model, builder) if way != "none" else ():
        _equalize(held[first], held[second], way, is_depthwise=second.groups > 1)
    for layer, found in held.items():
        known = float(found.scales.max()) * found.factors_in
        scale = known if way == "scales" else float(found.weight.abs().max()) / _LARGEST
        layer.set_weight_bias(torch.quantize_per_tensor(found.weight, scale, 0, torch.qint8), found.bias)
    return model


def _equalize(first: _Weights, second: _Weights, way: str, *, is_depthwise: bool) -> None:
    if way == "ranges":
        factors = (first.ranges_out / second.ranges_in(is_depthwise=is_depthwise)).sqrt()
        factors = factors / factors.min()
    else:
        factors = (first.scales / first.scales.median()).sqrt().clamp(1.0, _MOST)
    first.weight = first.weight / factors.view(-1, 1, 1, 1)
    first.bias = None if first.bias is None else first.bias / factors
    first.scales = first.scales / factors
    second.weight = second.weight * (factors.view(-1, 1, 1, 1) if is_depthwise else factors.view(1, -1, 1, 1))
    if is_depthwise:
        second.scales = second.scales * factors
    else:
        second.factors_in = float(factors.max())


def main(words: Sequence[str] | None = None) -> int:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args(words)
    warnings.simplefilter("ignore")
    print(f"builder       spread PyTorch {' '.join(f'{way:>8}' for way in WAYS)}")
    for builder in BUILDERS:
        for octaves in (0.0, 1.0):
            model = made(builder, given.size, given.images, octaves)
            with torch.no_grad():
                found = [rounded(model.module, builder, way)(model.photos) for way in WAYS]
            own, *others = (compare(output, model.in_floats).signal_to_noise for output in (model.wanted, *found))
            told = " ".join(f"{noise:8.2f}" for noise in others)
            print(f"{builder:13} {'yes' if octaves else 'no':>6} {own:7.2f} {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
