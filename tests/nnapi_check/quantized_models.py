"""A small model whose layers have a scale for each channel, as a file."""

from pathlib import Path

import torch
from torch import nn

from nnapi_check.lowering.examples.packed_parameters import Packing

SHAPE = (1, 3, 15, 17)


def _packed(name: str, weight: torch.Tensor, bias: torch.Tensor, spread: int) -> object:
    schema = torch._C._jit_get_schemas_for_operator(f"quantized::{name}")[0]
    packing = Packing.of(schema)
    assert packing is not None
    # Every channel fills the range of its integers, as observers see to.
    sizes = torch.linspace(1, spread, len(weight))
    scaled = weight * (sizes / weight.abs().flatten(1).amax(1)).reshape(-1, 1, 1, 1)
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    stored = torch.quantize_per_channel(scaled, sizes.double() / 127, zeros, 0, torch.qint8)
    return packing.pack(stored, bias, {})


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


def photo() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(8))


def traced_channels(path: Path, spread: int = 40, seed: int = 4) -> Path:
    """Saves the model with its example input."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "qnnpack"
    try:
        torch.jit.trace(Channels(spread, seed).eval(), photo()).save(path)  # type: ignore[no-untyped-call]  # no types
    finally:
        torch.backends.quantized.engine = before
    return path
