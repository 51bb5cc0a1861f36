from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.files.archive import Archive, lighten, mentions_quantization
from nnapi_check.analyzer.torchscript import load
from tests.analyzer.torch_models import scripted_file, traced_file


class Texts(nn.Module):
    """Attributes that the pickle writes with the same texts as the places and keys of tensors."""

    device: str
    key: str
    table: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(30, 50))
        self.device, self.key = "cpu", "1"
        self.index = torch.tensor([3, 1, 2])
        self.scale = torch.tensor(0.25)
        self.list = nn.ModuleList([nn.Linear(50, 3), nn.Linear(50, 3)])
        self.register_buffer("table", torch.arange(10_000))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, str, str]:
        y = (x @ self.weight)[self.index] * self.scale + self.table[0]
        for part in self.list:
            y = y[:, :50] + part(y).sum()
        return y, self.device, self.key


def test_large_tensors_lose_their_elements_and_small_ones_keep_them(tmp_path: Path) -> None:
    path = scripted_file(tmp_path, Texts())
    with Archive(path) as archive:
        light = lighten(archive)

    module = load(light.data)

    assert light.is_complete
    assert module.weight.is_meta
    assert module.weight.shape == (30, 50)
    assert module.table.is_meta
    assert torch.equal(module.index, torch.tensor([3, 1, 2]))
    assert float(module.scale) == 0.25
    assert (module.device, module.key) == ("cpu", "1")
    assert getattr(module.list, "1").weight.shape == (3, 50)


def test_the_copy_is_small(tmp_path: Path) -> None:
    path = traced_file(tmp_path, nn.Linear(1000, 1000), torch.rand(1, 1000))
    with Archive(path) as archive:
        light = lighten(archive)

    assert path.stat().st_size > 4_000_000
    assert len(light.data.getvalue()) < 20_000


def test_shared_storages_are_understood(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 40))
    module[1].weight = module[0].weight
    path = traced_file(tmp_path, module, torch.rand(2, 40))
    with Archive(path) as archive:
        light = lighten(archive)

    assert light.is_complete
    assert all(parameter.is_meta for parameter in load(light.data).parameters())


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation.*:UserWarning")
@pytest.mark.parametrize("is_quantized", [True, False])
def test_quantization_is_seen_in_the_code(is_quantized: bool, tmp_path: Path) -> None:
    class Quantizes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.quantize_per_tensor(x, 0.5, 3, torch.quint8).dequantize()

    path = traced_file(tmp_path, Quantizes() if is_quantized else nn.ReLU(), torch.rand(2, 3))

    with Archive(path) as archive:
        assert mentions_quantization(archive) is is_quantized
