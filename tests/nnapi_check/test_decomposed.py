"""An exported program converts as well after its ops were decomposed as before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nnapi_check
from tests.torch_releases import since


class ChannelsLast(nn.Module):
    """Features of an image in the order that layer_norm wants, and classes of their means."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Conv2d(3, 12, 4, stride=4)
        self.features = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 20), nn.Hardsigmoid(), nn.LayerNorm(20))
        self.classes = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 7))

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        features = self.features(self.image(photo).permute(0, 2, 3, 1))
        found: torch.Tensor = self.classes(features.permute(0, 3, 1, 2))
        return found


class Recurrent(nn.Module):
    """Classes of a sound, by the last state of a recurrence."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.states = kind(12, 20, batch_first=True)
        self.classes = nn.Linear(20, 7)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        states, _ = self.states(sound)
        return torch.log_softmax(self.classes(states[:, -1]), -1)


def classifier() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, (3, 5), stride=2, bias=False),
        nn.BatchNorm2d(12),
        nn.Hardswish(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(12, 12, 3, groups=12),
        nn.InstanceNorm2d(12, affine=True),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(12, 7),
    )


def sound_filter() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 16, 5, stride=2),
        nn.BatchNorm1d(16),
        nn.GELU(),
        nn.MaxPool1d(2),
        nn.ConvTranspose1d(16, 10, 4, stride=2, padding=1),
    )


def decoder() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(8, 12, (4, 3), stride=2, padding=1),
        nn.GroupNorm(3, 12),
        nn.LeakyReLU(0.1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(12, 12, 3),
        nn.PixelShuffle(2),
    )


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(12, 3, 20, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


class Attention(nn.Module):
    """Attention with its heads, and a mask where there is one."""

    def __init__(self, mask: torch.Tensor | None = None, *, is_causal: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 36)
        self.register_buffer("mask", mask)
        self.mask: torch.Tensor | None
        self.is_causal = is_causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.layer(x).unflatten(-1, (9, 4)).transpose(1, 2).chunk(3, 1)
        return nn.functional.scaled_dot_product_attention(query, key, value, self.mask, is_causal=self.is_causal)


def blind_row() -> torch.Tensor:
    mask = torch.ones(7, 7, dtype=torch.bool)
    mask[2] = False
    return mask


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "classifier": (classifier, (1, 3, 33, 37)),
    "channels last": (ChannelsLast, (1, 3, 33, 37)),
    "sound filter": (sound_filter, (2, 3, 61)),
    "decoder": (decoder, (1, 8, 5, 7)),
    "encoder": (encoder, (1, 11, 12)),
    "causal attention": (lambda: Attention(is_causal=True), (1, 7, 12)),
    "masked attention": (lambda: Attention(torch.rand(7, 7) > 0.4), (1, 7, 12)),
    "attention with a row that sees nothing": (lambda: Attention(blind_row()), (1, 7, 12)),
    "biased attention with a row that sees nothing": (
        lambda: Attention(torch.randn(1, 3, 7, 7).masked_fill(~blind_row(), -torch.inf)),
        (1, 7, 12),
    ),
    "biased attention": (lambda: Attention(torch.randn(1, 3, 7, 7)), (1, 7, 12)),
    "long short-term memory": (lambda: Recurrent(nn.LSTM), (1, 5, 12)),
    "gated recurrent unit": (lambda: Recurrent(nn.GRU), (1, 5, 12)),
}


def stirred(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, with statistics as after training."""
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand(buffer.shape) + 0.5)
    return module.eval()


def run_on_cpu(path: Path, x: torch.Tensor) -> torch.Tensor:
    """What a converted file computes where there is no NNAPI."""
    load: Callable[[str], Any] = torch.jit.load
    module = load(str(path))
    module.use_cpu()
    found: torch.Tensor = module(x)
    return found


@since("2.13", "decompositions of attention are of this form")
@pytest.mark.parametrize("level", [3, 8])
@pytest.mark.parametrize("name", MODELS)
def test_decomposed_program_runs_in_as_few_parts_with_the_same_numbers(name: str, level: int, tmp_path: Path) -> None:
    build, shape = MODELS[name]
    torch.manual_seed(7)
    module, x = stirred(build()), torch.rand(shape)
    program = torch.export.export(module, (x,))
    whole, decomposed, converted = (tmp_path / file for file in ("whole.pt2", "decomposed.pt2", "converted.pt"))
    torch.export.save(program, whole)
    torch.export.save(program.run_decompositions(), decomposed)

    before = nnapi_check.check(whole, feature_level=level)
    report = nnapi_check.convert(decomposed, converted, feature_level=level)

    assert (report.readiness, len(report.parts)) == (before.readiness, len(before.parts)) == ("ready", 1)
    assert report.verification is not None
    assert report.verification.executions == 1
    assert report.verification.is_within_tolerance
    torch.testing.assert_close(run_on_cpu(converted, x), module(x))
