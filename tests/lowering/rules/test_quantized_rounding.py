"""Quantized layers that are multiplied as floats round their bias as QNNPACK does, so that hardly a step is off."""

from math import prod

import pytest
import torch

from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.targets import PerChannelChoice
from nnapi_check.lowering.examples.packed_parameters import per_channel
from tests.lowering.rules.test_accepted_quantized import Packed, quantized
from tests.lowering.whole_graphs import runs


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def share_off(function: Packed, x: torch.Tensor, registry: Registry) -> float:
    run = runs(function, [x], registry, per_channel=PerChannelChoice.FLOAT)[3]
    assert any(way.endswith("in-floats") for way in run.ways)
    with torch.no_grad():
        off = run.outputs[0].int_repr() != function(x).int_repr()
    return float(off.sum()) / prod(x.shape)


# A float bias in these scales is off QNNPACK's by up to half a step of INT32, which shows in some outputs of a hundred.
def coarse(outs: int, *rest: int) -> torch.Tensor:
    return per_channel(quantized((outs, *rest), 0.13, 0, torch.qint8), 0)


@pytest.mark.parametrize(
    ("name", "weight", "shape"),
    [
        ("conv2d", coarse(24, 3, 3, 3), (2, 3, 19, 17)),
        ("conv2d_relu", coarse(24, 3, 3, 3), (2, 3, 19, 17)),
        ("linear", coarse(24, 40), (150, 40)),
    ],
)
def test_layers_in_floats_are_hardly_ever_a_step_off(
    name: str, weight: torch.Tensor, shape: tuple[int, ...], registry: Registry
) -> None:
    bias = torch.randn(24, generator=torch.Generator().manual_seed(1))
    layer = Packed(name, weight, bias)

    assert share_off(layer, quantized(shape, 0.23, 117), registry) <= 2e-3
