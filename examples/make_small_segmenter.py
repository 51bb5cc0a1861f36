"""Makes ``small_segmenter.pt``: a small network that marks the foreground of a photo, as one might ship in an app.

The encoder is a stack of depthwise separable blocks with a residual, the head doubles the size again and gives a
probability for each pixel. The weights are random, since only the structure matters here.

    python examples/make_small_segmenter.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent


class SeparableBlock(nn.Module):
    """A depthwise and a pointwise convolution, each with batch norm; a residual where the shape allows one."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(channels_out)
        self.activation = nn.ReLU6(inplace=True)
        self.has_residual = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix neighbors, then channels."""
        y = self.activation(self.depthwise_norm(self.depthwise(x)))
        y = self.pointwise_norm(self.pointwise(y))
        found: torch.Tensor = x + y if self.has_residual else self.activation(y)
        return found


class SmallSegmenter(nn.Module):
    """A photo of 3 channels to a foreground probability for each of its pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU6(inplace=True))
        self.shallow = SeparableBlock(12, 16)
        self.deep = nn.Sequential(
            SeparableBlock(16, 24, stride=2),
            SeparableBlock(24, 24),
            SeparableBlock(24, 40, stride=2),
            SeparableBlock(40, 40),
        )
        self.skip = nn.Conv2d(16, 24, 1)
        self.squeeze = nn.Conv2d(40, 24, 1)
        self.mix = SeparableBlock(24, 16)
        self.head = nn.Conv2d(16, 1, 1)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.enlarge_deep = nn.Upsample(scale_factor=4, mode="nearest")

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        """Mark the foreground."""
        shallow = self.shallow(self.stem(photo))
        deep = self.squeeze(self.deep(shallow))
        mixed = self.mix(self.skip(shallow) + self.enlarge_deep(deep))
        return torch.sigmoid(self.enlarge(self.head(mixed)))


def make(file: Path) -> None:
    """Trace the network in evaluation mode and save it."""
    torch.manual_seed(1)
    model = SmallSegmenter()
    with torch.no_grad():
        # Statistics of a few batches make the batch norms differ from identity, as training would.
        model.train()
        for _ in range(4):
            model(torch.rand(2, 3, 96, 128))
        model.eval()
        traced = torch.jit.trace(model, torch.rand(1, 3, 96, 128))  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(traced, str(file))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "small_segmenter.pt")
