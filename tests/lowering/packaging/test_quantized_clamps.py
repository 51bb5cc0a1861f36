"""Clamps of channels-last images are computed as PyTorch means them, not as QNNPACK scrambles them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import nnapi_check
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.lowering.packaging.quantized_clamps import clamps_mended, mend_clamps
from nnapi_check.lowering.verification.reference import reference_outputs

pytestmark = pytest.mark.skipif(
    "qnnpack" not in torch.backends.quantized.supported_engines, reason="needs the engine qnnpack"
)


@pytest.fixture(autouse=True)
def phone_engine() -> Iterator[None]:
    with quantized_as_on_phones():
        yield


def image() -> torch.Tensor:
    numbers = 4 * torch.randn(2, 6, 5, 3, generator=torch.Generator().manual_seed(0))
    return torch.quantize_per_tensor(numbers.contiguous(memory_format=torch.channels_last), 0.05, 100, torch.quint8)


CLAMPS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "hardtanh": lambda x: torch.nn.functional.hardtanh(x, 0.0, 6.0),
    "hardtanh in place": lambda x: torch.nn.functional.hardtanh(x, 0.0, 6.0, inplace=True),
    "relu6": torch.nn.functional.relu6,
    "clamp": lambda x: torch.clamp(x, 0.0, 6.0),
    "quantized relu6": lambda x: torch.ops.quantized.relu6(x, False),
    "quantized clamp": lambda x: torch.ops.quantized.clamp(x, 0.0, 6.0),
}


class Clamping(torch.nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images = torch.quantize_per_tensor(x, 0.05, 100, torch.quint8)
        return CLAMPS[self.name](images).dequantize(), images.dequantize()


def numbers() -> torch.Tensor:
    return image().dequantize()


def clamped() -> torch.Tensor:
    return numbers().clamp(0.0, 6.0)


@pytest.mark.parametrize("name", CLAMPS)
def test_engine_scrambles_channels_last_images(name: str) -> None:
    assert not torch.equal(CLAMPS[name](image()).dequantize(), clamped())


@pytest.mark.parametrize("name", CLAMPS)
@pytest.mark.parametrize("is_traced", [False, True])
def test_each_element_is_clamped_in_its_place_while_a_module_runs(name: str, is_traced: bool) -> None:
    module: torch.nn.Module = Clamping(name)
    if is_traced:
        module = torch.jit.trace(module, numbers(), check_trace=False)  # type: ignore[no-untyped-call]  # no types

    with clamps_mended(module):
        found, written = module(numbers())

    assert torch.equal(found, clamped())
    assert torch.equal(written, clamped() if name == "hardtanh in place" else numbers())


@pytest.mark.parametrize("name", CLAMPS)
def test_each_element_is_clamped_in_its_place_by_a_mended_graph(name: str) -> None:
    traced = torch.jit.trace(Clamping(name), numbers(), check_trace=False)  # type: ignore[no-untyped-call]  # no types

    mend_clamps(traced.graph)
    found, written = traced(numbers())

    assert torch.equal(found, clamped())
    assert torch.equal(written, clamped() if name == "hardtanh in place" else numbers())


def test_graphs_without_quantized_tensors_stay_as_they_are() -> None:
    traced = torch.jit.trace(torch.nn.ReLU6(), numbers())  # type: ignore[no-untyped-call]  # no types
    before = str(traced.graph)

    mend_clamps(traced.graph)

    assert str(traced.graph) == before


def test_the_reference_is_not_what_the_engine_scrambles() -> None:
    traced = torch.jit.trace(Clamping("relu6"), numbers(), check_trace=False)  # type: ignore[no-untyped-call]  # no types

    found, _ = reference_outputs(traced, [numbers()])

    assert torch.equal(found, clamped())


def test_a_package_clamps_in_place_on_the_cpu_as_well(tmp_path: Path) -> None:
    traced = torch.jit.trace(Clamping("relu6"), numbers(), check_trace=False)  # type: ignore[no-untyped-call]  # no types
    nnapi_check.convert(traced, tmp_path / "converted.pt", [numbers()], feature_level=3)

    package = torch.jit.load(tmp_path / "converted.pt")  # type: ignore[no-untyped-call]  # no types
    package.use_cpu()

    assert torch.equal(package(numbers())[0], clamped())
