"""Whole networks, converted by PyTorch's own converter, run in the host runtime and equal PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import cast

import pytest
import torch
import torchvision
from torch import nn
from torch.ao import quantization

from benchmarks.interpreter import Bottleneck
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from tests.lowering.nnapi.host_runtime.pytorch_converter import (
    as_nhwc,
    broken_rules,
    convert,
    model_of,
    without_in_place,
)

TOLERANCE = 1e-4

# PyTorch's own functions have no annotations.
prepare = cast("Callable[[nn.Module], nn.Module]", quantization.prepare)
convert_to_integers = cast("Callable[[nn.Module], nn.Module]", quantization.convert)


@pytest.fixture
def qnnpack() -> Iterator[None]:
    """Quantized operators of the kind that a phone has."""
    before = torch.backends.quantized.engine
    if "qnnpack" not in torch.backends.quantized.supported_engines:
        pytest.skip("this PyTorch has no qnnpack")
    torch.backends.quantized.engine = "qnnpack"
    yield
    torch.backends.quantized.engine = before


def with_statistics(net: nn.Module) -> nn.Module:
    """The network with statistics that keep its activations from vanishing."""
    with torch.no_grad():
        net.train()(torch.rand(2, 3, 64, 96))
    return net.eval()


def mobilenet_v2() -> nn.Module:
    net: nn.Module = torchvision.models.mobilenet_v2(weights=None)
    return net


def resnet50() -> nn.Module:
    net: nn.Module = torchvision.models.ResNet(Bottleneck, [3, 4, 6, 3])
    return net


@pytest.mark.parametrize(
    ("build", "operations"), [(mobilenet_v2, 100), (resnet50, 122)], ids=["mobilenet_v2", "resnet50"]
)
def test_a_network_equals_pytorch(runtime: HostRuntime, build: Callable[[], nn.Module], operations: int) -> None:
    torch.manual_seed(5)
    net = with_statistics(without_in_place(build()))
    x = as_nhwc(torch.rand(1, 3, 224, 224))
    before = runtime.executions
    converted = convert(net, x)

    with torch.no_grad():
        found, wanted = converted(x), net(x)

    assert broken_rules(converted) == set()
    assert len(model_of(converted).operations) == operations
    assert runtime.executions == before + 1
    torch.testing.assert_close(found, wanted, rtol=TOLERANCE, atol=TOLERANCE * wanted.abs().max().item())
    assert wanted.std() > 0.3 * wanted.abs().mean()


def quantized_mobilenet_v2() -> nn.Module:
    """Quantized per tensor, for the loader carries no scales per channel."""
    net = torchvision.models.quantization.mobilenet_v2(weights=None, quantize=False)
    net = with_statistics(net)
    net.fuse_model()  # type: ignore[operator]  # A method of this one network.
    net.qconfig = quantization.QConfig(  # type: ignore[assignment, no-untyped-call]  # Read from the module.
        activation=quantization.HistogramObserver.with_args(reduce_range=False),
        weight=quantization.MinMaxObserver.with_args(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric),
    )
    prepared = prepare(net)
    with torch.no_grad():
        prepared(torch.rand(1, 3, 224, 224))
    return convert_to_integers(prepared)


def test_a_quantized_network_differs_from_pytorch_only_where_sums_are_halfway(
    runtime: HostRuntime, qnnpack: None
) -> None:
    """QNNPACK adds with shorter multipliers, so a sum halfway between two integers may become the other one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(5)
        net = quantized_mobilenet_v2()
        x = as_nhwc(torch.rand(1, 3, 224, 224))
        before = runtime.executions
        converted = convert(net, x)

        with torch.no_grad():
            found, wanted = converted(x), net(x)

    assert broken_rules(converted) == set()
    assert runtime.executions == before + 1
    steps = ((found - wanted) / wanted.unique().diff().min()).round().abs()
    assert steps.max() <= 1
    assert (steps == 0).float().mean() > 0.8
    assert wanted.unique().numel() > 50
