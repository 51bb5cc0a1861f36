"""torchvision's classifiers with random weights that tell: statistics are settled, images have different outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torchvision import models

from benchmarks.built_models import SEED

LEAST_VALUES = 50
LEAST_SPREAD = 0.05
"""Five hundred times the share of the range that rounding is given."""

_SETTLED_ON = 6
"""So many images, of which the first is the one to try: its numbers are then those of a trained model's inputs."""

_SIZES = {
    "alexnet": (224, 224),
    "convnext": (64, 96),
    "densenet": (64, 96),
    "efficientnet": (64, 96),
    "googlenet": (160, 224),
    "inception": (107, 139),
    "maxvit": (224, 224),
    "mnasnet": (160, 224),
    "mobilenet": (160, 224),
    "regnet": (64, 96),
    "resnet": (64, 96),
    "resnet18": (160, 224),
    "resnet34": (160, 224),
    "resnext": (64, 96),
    "shufflenet": (160, 224),
    "squeezenet": (160, 224),
    "swin": (224, 224),
    "swin_v2": (256, 256),
    "vgg": (224, 224),
    "vit_b_16": (96, 96),
    "vit_b_32": (224, 224),
    "vit_h_14": (98, 98),
    "vit_l_16": (96, 96),
    "vit_l_32": (224, 224),
    "wide_resnet": (64, 96),
}
"""Height and width of images, by the beginning of a builder's name. 224 and 256 are what the weights are for. With
others a model has the same layers on smaller maps, and what is not square shows swapped heights and widths."""

_OPTIONS: dict[str, dict[str, object]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception": {"aux_logits": False, "init_weights": True},
}


@dataclass(frozen=True, slots=True)
class Telling:
    """How much an output tells: its different values, and what another image changes as a share of the range."""

    values: int
    spread: float

    @property
    def is_enough(self) -> bool:
        """Whether a mistake anywhere would show in it."""
        return self.values >= LEAST_VALUES and self.spread >= LEAST_SPREAD


def builders() -> tuple[str, ...]:
    """The names of torchvision's builders of classifiers, those with few parameters first."""

    def parameters(name: str) -> int:
        return int(models.get_model_weights(name).DEFAULT.meta["num_params"])

    return tuple(sorted(models.list_models(module=models), key=parameters))


def image_size(name: str) -> tuple[int, int]:
    """Height and width of the images that a builder's model is tried on."""
    return _SIZES[max((start for start in _SIZES if name.startswith(start)), key=len)]


def classifier(name: str) -> nn.Module:
    """A builder's model with random weights, in evaluation, with the statistics that images like ``image`` have."""
    torch.manual_seed(SEED)
    options = next((given for start, given in _OPTIONS.items() if name.startswith(start)), {})
    size = image_size(name)
    if name.startswith("vit"):
        options = {**options, "image_size": size[0]}
    module: nn.Module = models.get_model(name, weights=None, **options)
    with torch.no_grad():
        _stir(module)
    _settle(module.eval(), torch.cat([image(name, number) for number in range(_SETTLED_ON)]))
    return module


def image(name: str, number: int = 0) -> torch.Tensor:
    """A random image: patches of color with noise on them, for noise alone is the same everywhere to a classifier."""
    height, width = image_size(name)
    generator = torch.Generator().manual_seed(SEED + number)
    patches = torch.randn(1, 3, 5, 7, generator=generator)
    colors = nn.functional.interpolate(patches, (height, width), mode="bilinear")
    return colors + 0.3 * torch.randn(1, 3, height, width, generator=generator)


def telling(module: nn.Module, name: str) -> Telling:
    """How much the output for the image to try tells, next to that for another."""
    with torch.no_grad():
        found, other = module(image(name)), module(image(name, 1))
    return Telling(int(found.unique().numel()), float((found - other).abs().max() / found.abs().max()))


def _settle(module: nn.Module, images: torch.Tensor) -> None:
    """Give each batch norm the statistics of what reaches it through those before it.

    Random layers leave channels that hardly differ from their mean, and to divide by that difference would magnify
    rounding layer by layer, which training does not: the mean square divides them.
    """

    def settled(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        mean, square = inputs[0].mean((0, 2, 3)), inputs[0].square().mean((0, 2, 3))
        norm.running_mean, norm.running_var = mean, square

    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(settled) for norm in norms]
    with torch.no_grad():
        module(images if norms else images[:1])
    for hook in hooks:
        hook.remove()


def _stir(module: nn.Module) -> None:
    """Leave no layer without an effect, and no affine parameters that folding could swap unseen."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.LayerNorm) and part.weight is not None:
            part.weight.uniform_(0.8, 1.2)
            part.bias.uniform_(-0.1, 0.1)
        elif isinstance(part, nn.Linear) and not part.weight.any():
            nn.init.xavier_uniform_(part.weight)
    for name, parameter in module.named_parameters():
        # ConvNeXt's blocks begin with next to none, and ViT's token of classes with zeros.
        if name.endswith(("layer_scale", "class_token")):
            parameter.uniform_(0.2, 0.6)
