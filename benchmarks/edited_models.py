"""Models of torchvision, timm and transformers, with small inputs and random weights, whose fixes are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import torch

from benchmarks.outside_models import Built, First
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE

_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
}


@dataclass(frozen=True, slots=True)
class EditedModel:
    """A model of a package, and for which target and feature level its fixes are tried."""

    name: str
    package: str
    build: Callable[[], Built]
    level: int = 3
    target: str = PYTORCH_MOBILE

    @property
    def is_installed(self) -> bool:
        """Whether its package is."""
        return find_spec(self.package) is not None


def _words(model: str, **options: object) -> Callable[[], Built]:
    def build() -> Built:
        package = cast(Any, import_module("transformers"))
        config = getattr(package, f"{model}Config")(**(options or _SMALL))
        ids, mask = torch.randint(3, 90, (1, 16)), torch.ones(1, 16, dtype=torch.long)
        mask[:, 12:] = 0
        made = getattr(package, f"{model}Model")(config)
        return First(made, "input_ids", "attention_mask", return_dict=False), (ids, mask)

    return build


def _image(package: str, name: str, size: int) -> Callable[[], Built]:
    def build() -> Built:
        if package == "timm":
            model = cast(Any, import_module("timm")).create_model(name, pretrained=False)
        else:
            model = cast(Any, import_module("torchvision")).models.get_model(name, weights=None)
        return model, (torch.rand(1, 3, size, size),)

    return build


MODELS = (
    EditedModel("bert", "transformers", _words("Bert")),
    EditedModel(
        "distilbert", "transformers", _words("DistilBert", vocab_size=100, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    ),
    EditedModel("albert", "transformers", _words("Albert", embedding_size=16, **_SMALL)),
    EditedModel("electra", "transformers", _words("Electra", embedding_size=16, **_SMALL)),
    EditedModel(
        "gpt2", "transformers", _words("GPT2", vocab_size=100, n_embd=32, n_layer=2, n_head=4, use_cache=False)
    ),
    EditedModel("roberta", "transformers", _words("Roberta")),
    EditedModel("deberta-v2", "transformers", _words("DebertaV2")),
    EditedModel("squeezebert", "transformers", _words("SqueezeBert", embedding_size=32, **_SMALL)),
    EditedModel("clip text", "transformers", _words("CLIPText", **_SMALL)),
    EditedModel("regnet_x_400mf", "torchvision", _image("torchvision", "regnet_x_400mf", 96), 1, NDK),
    EditedModel("shufflenet_v2_x0_5", "torchvision", _image("torchvision", "shufflenet_v2_x0_5", 96), 1, NDK),
    EditedModel("convnext_tiny", "torchvision", _image("torchvision", "convnext_tiny", 64)),
    EditedModel("vit_b_32", "torchvision", _image("torchvision", "vit_b_32", 224)),
    EditedModel("swin_t", "torchvision", _image("torchvision", "swin_t", 96)),
    EditedModel("tnt_s_legacy_patch16_224", "timm", _image("timm", "tnt_s_legacy_patch16_224", 224)),
    EditedModel("volo_d1_224", "timm", _image("timm", "volo_d1_224", 224)),
    EditedModel("dla46x_c", "timm", _image("timm", "dla46x_c", 96), 1, NDK),
)
"""At what level a model has something to be mended is its own: most run whole on newer ones."""
