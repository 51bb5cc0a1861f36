"""Small models whose layers have a scale for each channel, as files."""

import random
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from nnapi_check.lowering.examples.packed_parameters import Packing

SHAPE = (1, 3, 15, 17)


def _packed(name: str, weight: torch.Tensor, bias: torch.Tensor, spread: int, **given: object) -> object:
    schema = torch._C._jit_get_schemas_for_operator(f"quantized::{name}")[0]
    packing = Packing.of(schema)
    assert packing is not None
    # Every channel fills the range of its integers, as observers see to.
    sizes = torch.linspace(1, spread, len(weight))
    scaled = weight * (sizes / weight.abs().flatten(1).amax(1)).reshape(-1, 1, 1, 1)
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    stored = torch.quantize_per_channel(scaled, sizes.double() / 127, zeros, 0, torch.qint8)
    return packing.pack(stored, bias, given)


class Channels(nn.Module):
    """Two convolutions of many channels, whose scales differ by ``spread``, between quantize and dequantize."""

    def __init__(self, spread: int = 40, seed: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        first = torch.randn(24, 3, 3, 2, generator=generator)
        second = torch.randn(20, 24, 1, 1, generator=generator)
        self.first = _packed("conv2d_relu", first, torch.randn(24, generator=generator), spread)
        self.second = _packed("conv2d", second, torch.randn(20, generator=generator), spread)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stored = torch.quantize_per_tensor(x, 0.03, 120, torch.quint8)
        inside = torch.ops.quantized.conv2d_relu.new(stored, self.first, 1.0, 10)
        found: torch.Tensor = torch.ops.quantized.conv2d.new(inside, self.second, 40.0, 120)
        return found.dequantize()


class Bottleneck(nn.Module):
    """Channels that are spread from few, convolved each by itself, and brought to few again. ``scale`` is that of what
    they are spread to: the smaller it is, the more lies beyond.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        generator = torch.Generator().manual_seed(6)
        sizes = ((24, 3, 1, 1), (24, 1, 3, 3), (5, 24, 1, 1))
        weights = [torch.randn(size, generator=generator) for size in sizes]
        biases = [torch.randn(len(weight), generator=generator) for weight in weights]
        self.first = _packed("conv2d_relu", weights[0], biases[0], 40)
        self.second = _packed("conv2d_relu", weights[1], biases[1], 3, groups=24, padding=1)
        self.third = _packed("conv2d", weights[2], biases[2], 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stored = torch.quantize_per_tensor(x, 0.03, 120, torch.quint8)
        wide = torch.ops.quantized.conv2d_relu.new(stored, self.first, self.scale, 0)
        inside = torch.ops.quantized.conv2d_relu.new(wide, self.second, 2.0, 0)
        found: torch.Tensor = torch.ops.quantized.conv2d.new(inside, self.third, 25.0, 120)
        return found.dequantize()


class Drawn(nn.Module):
    """Three convolutions one after the other, drawn by a seed: of channels by themselves or not, with like scales or
    not, whose numbers fill their range, lie beyond it, or are all the same.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw, self.generator = random.Random(seed), torch.Generator().manual_seed(seed)
        wide, is_depthwise = draw.choice([8, 12, 24]), draw.random() < 0.6
        inside = wide * draw.choice([1, 2]) if is_depthwise else 16
        self.given = (10 ** draw.uniform(-2, -0.5), draw.randrange(256))
        self.kinds = [draw.choice(["conv2d_relu", "conv2d_relu", "conv2d"]) for _ in range(3)]
        self.made = [(10 ** draw.uniform(-1.5, 1.5), draw.choice([0, 0, draw.randrange(256)])) for _ in range(3)]
        second = (inside, 1, 3, 3) if is_depthwise else (inside, wide, 1, 1)
        shapes = [(wide, 3, draw.choice([1, 3]), 1), second, (6, inside, 1, 1)]
        groups = [1, wide if is_depthwise else 1, 1]
        # Tracing knows packed parameters that are attributes, not those in a list.
        self.first, self.second, self.third = (
            self._drawn(*layer, draw) for layer in zip(self.kinds, shapes, groups, strict=True)
        )

    def _drawn(self, kind: str, shape: tuple[int, ...], groups: int, draw: random.Random) -> object:
        weight = torch.randn(shape, generator=self.generator)
        bias = torch.randn(len(weight), generator=self.generator) * draw.choice([0.1, 3])
        return _packed(kind, weight, bias, draw.choice([1, 3, 10, 40, 300]), groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = torch.quantize_per_tensor(x, *self.given, torch.quint8)
        layers = (self.first, self.second, self.third)
        for kind, packed, (scale, zero) in zip(self.kinds, layers, self.made, strict=True):
            found = getattr(torch.ops.quantized, kind).new(found, packed, scale, zero)
        return found.dequantize()


def photo() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(8))


def traced_channels(path: Path, spread: int = 40, seed: int = 4) -> Path:
    """Saves the model with its example input."""
    return _traced(lambda: Channels(spread, seed), path)


def traced_bottleneck(path: Path, scale: float = 1.0) -> Path:
    """The same of a bottleneck."""
    return _traced(lambda: Bottleneck(scale), path)


def traced_drawn(path: Path, seed: int) -> Path:
    """The same of drawn layers."""
    return _traced(lambda: Drawn(seed), path)


def _traced(make: Callable[[], nn.Module], path: Path) -> Path:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "qnnpack"
    try:
        torch.jit.trace(make().eval(), photo()).save(path)  # type: ignore[no-untyped-call]  # no types
    finally:
        torch.backends.quantized.engine = before
    return path
