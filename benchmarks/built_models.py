"""The models that the benchmarks convert, with random weights, and how they are saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch

SEED = 3

Tensors = tuple["torch.Tensor", ...]
Build = Callable[[], tuple["torch.nn.Module", Tensors]]


def _vision(name: str, size: tuple[int, int] = (224, 224), **options: object) -> Build:
    def build() -> tuple[torch.nn.Module, Tensors]:
        import torch
        from torchvision import models

        module = models.get_model(name, weights=None, **options)
        return module, (torch.rand(1, 3, *size),)

    return build


def _segmentation(name: str) -> Build:
    def build() -> tuple[torch.nn.Module, Tensors]:
        import torch
        from torchvision import models

        class Segmenter(torch.nn.Module):
            """The segmentation alone, without the dictionary that torchvision wraps it in."""

            def __init__(self) -> None:
                super().__init__()
                self.net = models.get_model(name, weights=None, weights_backbone=None)

            def forward(self, photo: torch.Tensor) -> torch.Tensor:
                """Class scores for each pixel."""
                return cast(torch.Tensor, self.net(photo)["out"])

        return Segmenter(), (torch.rand(1, 3, 192, 224),)

    return build


def _quantized_mobilenet() -> tuple[torch.nn.Module, Tensors]:
    """MobileNetV2 quantized per tensor with QNNPACK's engine and calibrated on random photos."""
    import torch
    from torch.ao import quantization
    from torchvision.models.quantization import mobilenet_v2

    from benchmarks.data_dependent_init import initialize_by_data

    torch.backends.quantized.engine = "qnnpack"
    module = initialize_by_data(mobilenet_v2(weights=None, quantize=False), (torch.rand(1, 3, 224, 224),))
    cast(Callable[..., None], module.fuse_model)(is_qat=False)
    observer = quantization.MinMaxObserver.with_args(dtype=torch.quint8, reduce_range=False)
    config = quantization.QConfig(activation=observer, weight=quantization.default_weight_observer)  # type: ignore[no-untyped-call]  # it has no types
    setattr(module, "qconfig", config)  # noqa: B010  # a module's attributes are typed as tensors and modules
    quantization.prepare(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    with torch.no_grad():
        for _ in range(2):
            module(torch.rand(1, 3, 224, 224))
    quantization.convert(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
    return module, (torch.rand(1, 3, 224, 224),)


def _mlp() -> tuple[torch.nn.Module, Tensors]:
    import torch
    from torch import nn

    module = nn.Sequential(nn.Linear(300, 200), nn.ReLU(), nn.Linear(200, 150), nn.Tanh(), nn.Linear(150, 10))
    return module, (torch.rand(3, 300),)


def _recurrent(kind: str) -> Build:
    def build() -> tuple[torch.nn.Module, Tensors]:
        import torch
        from torch import nn

        class Recurrent(nn.Module):
            """Classes of a sound, by the last state of two recurrences."""

            def __init__(self) -> None:
                super().__init__()
                self.states = getattr(nn, kind)(40, 48, num_layers=2, batch_first=True)
                self.classes = nn.Linear(48, 12)

            def forward(self, sound: torch.Tensor) -> torch.Tensor:
                """Logarithms of what is how likely."""
                states, _ = self.states(sound)
                return torch.log_softmax(self.classes(states[:, -1]), -1)

        return Recurrent(), (torch.rand(1, 9, 40),)

    return build


def _sound_filter() -> tuple[torch.nn.Module, Tensors]:
    import torch
    from torch import nn

    module = nn.Sequential(
        nn.Conv1d(3, 16, 5, stride=2, padding=2),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Conv1d(16, 24, 3, padding=2, dilation=2, groups=8),
        nn.GELU(),
        nn.MaxPool1d(2),
        nn.ConvTranspose1d(24, 10, 4, stride=2, padding=1),
        nn.Hardswish(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(10, 7),
    )
    return module, (torch.rand(1, 3, 800),)


def _decoder() -> tuple[torch.nn.Module, Tensors]:
    import torch
    from torch import nn

    module = nn.Sequential(
        nn.ConvTranspose2d(32, 48, (4, 3), stride=2, padding=1),
        nn.BatchNorm2d(48),
        nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(48, 24, 3, stride=2, padding=1, output_padding=1),
        nn.GroupNorm(3, 24),
        nn.SiLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(24, 12, 3, padding=1),
        nn.PixelShuffle(2),
        nn.InstanceNorm2d(3, affine=True),
        nn.Hardsigmoid(),
    )
    return module, (torch.rand(1, 32, 15, 17),)


MODELS: dict[str, Build] = {
    "mobilenet_v2": _vision("mobilenet_v2"),
    "quantized_mobilenet_v2": _quantized_mobilenet,
    "resnet18": _vision("resnet18"),
    "resnet50": _vision("resnet50"),
    "resnet152": _vision("resnet152"),
    "resnext50_32x4d": _vision("resnext50_32x4d"),
    "mnasnet1_0": _vision("mnasnet1_0"),
    "squeezenet1_1": _vision("squeezenet1_1"),
    "googlenet": _vision("googlenet", aux_logits=False, init_weights=False),
    "inception_v3": _vision("inception_v3", (299, 299), aux_logits=False, init_weights=False),
    "alexnet": _vision("alexnet"),
    "vgg16_bn": _vision("vgg16_bn"),
    "densenet121": _vision("densenet121"),
    "shufflenet_v2_x1_0": _vision("shufflenet_v2_x1_0"),
    "efficientnet_b0": _vision("efficientnet_b0"),
    "mobilenet_v3_small": _vision("mobilenet_v3_small"),
    "regnet_y_400mf": _vision("regnet_y_400mf"),
    "deeplabv3_mobilenet_v3_large": _segmentation("deeplabv3_mobilenet_v3_large"),
    "lraspp_mobilenet_v3_large": _segmentation("lraspp_mobilenet_v3_large"),
    "fcn_resnet50": _segmentation("fcn_resnet50"),
    "convnext_tiny": _vision("convnext_tiny"),
    "vit_b_16": _vision("vit_b_16"),
    "swin_t": _vision("swin_t"),
    "sound_lstm": _recurrent("LSTM"),
    "sound_gru": _recurrent("GRU"),
    "sound_filter": _sound_filter,
    "decoder": _decoder,
    "mlp": _mlp,
}
EXPORTED = tuple(f"{name}.pt2" for name in MODELS if name != "quantized_mobilenet_v2")
"""The same models as exported programs instead of traces; packed parameters cannot be exported."""

DECOMPOSED = tuple(name.replace(".pt2", ".decomposed.pt2") for name in EXPORTED)
"""The same exported programs after ``run_decompositions()``, in the Core ATen opset."""


def save_model(name: str, folder: Path) -> Path:
    """Build a model and save it: traced, or exported where its name ends in ``.pt2``, decomposed or not."""
    import torch

    from benchmarks.data_dependent_init import initialize_by_data

    torch.manual_seed(SEED)
    module, inputs = MODELS[name.partition(".")[0]]()
    if not name.startswith("quantized_"):
        initialize_by_data(module, inputs)
    if name.endswith(".pt2"):
        path = folder / name
        program = torch.export.export(module, inputs)
        torch.export.save(program.run_decompositions() if name.endswith(".decomposed.pt2") else program, path)
        return path
    path = folder / f"{name}.pt"
    with torch.no_grad():
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]  # it has no types
        torch.jit.save(traced, str(path))
    return path
