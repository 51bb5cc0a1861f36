"""torchvision's models with random weights, quantized eagerly and in FX graph mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

BUILDERS = (
    "mobilenet_v2",
    "mobilenet_v3_large",
    "resnet18",
    "resnet50",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "googlenet",
    "inception_v3",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
)
"""Every builder of torchvision's quantized models."""

SMALLEST = {"inception_v3": 139}
TARGETS = ("pytorch-mobile", "ndk")

Settle = Callable[[nn.Module, int], None]


@dataclass(frozen=True, slots=True)
class Build:
    """A builder, quantized eagerly or in FX graph mode, with the parameters of an engine."""

    builder: str
    is_fx: bool
    engine: str


def built(build: Build) -> nn.Module:
    """The builder's model of floats with random weights."""
    from torchvision import models

    torch.manual_seed(0)
    source = models if build.is_fx else models.quantization
    options: dict[str, object] = {} if build.is_fx else {"quantize": False}
    if build.builder in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    module: nn.Module = getattr(source, build.builder)(weights=None, **options)
    return module


def quantize(module: nn.Module, build: Build, photos: Sequence[torch.Tensor]) -> nn.Module:
    """A builder's model, calibrated on images and quantized."""
    torch.backends.quantized.engine = build.engine
    module.eval()
    if build.is_fx:
        mapping = quantization.get_default_qconfig_mapping(build.engine)
        prepared = quantize_fx.prepare_fx(module, mapping, (photos[0],))
        run(prepared, photos)
        return cast(nn.Module, quantize_fx.convert_fx(prepared)).eval()
    cast(Callable[..., None], module.fuse_model)(is_qat=False)
    config = quantization.get_default_qconfig(build.engine)  # type: ignore[no-untyped-call]  # it has no types
    setattr(module, "qconfig", config)  # noqa: B010  # a module's attributes are typed as tensors and modules
    quantization.prepare(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    run(module, photos)
    quantization.convert(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    return module.eval()


def quantized(build: Build, size: int, settle: Settle | None = None) -> nn.Module:
    """A model quantized on noise; ``settle`` gives BatchNorm its statistics, where not as usual."""
    module = built(build)
    (settle or settle_statistics)(module, size)
    return quantize(module, build, images(8, size, 2))


def images(count: int, size: int, seed: int) -> list[torch.Tensor]:
    """Images of noise."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 3, size, size, generator=generator) for _ in range(count)]


def settle_statistics(module: nn.Module, size: int) -> None:
    """Give BatchNorm the statistics of noise."""
    average_statistics(module, [torch.cat(images(8, size, seed)) for seed in (3, 4)])


def average_statistics(module: nn.Module, batches: Sequence[torch.Tensor]) -> None:
    """Give BatchNorm the statistics of batches of images."""
    module.train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            part.reset_running_stats()
        elif isinstance(part, nn.Dropout):
            part.p = 0.0
    run(module, batches)
    module.eval()


def run(module: Callable[[torch.Tensor], torch.Tensor], inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """What a model gives for each input."""
    with torch.no_grad():
        return [module(item) for item in inputs]
