"""Rules that run in whichever layout their input has, behind an op that gives NHWC."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as nn

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs

CHANNELS = torch.tensor([0.5, -1.5, 2.0])
FUNCTIONS: dict[str, Callable[[torch.Tensor], object]] = {
    "add a number": lambda x: x + 0.3,
    "add by channel": lambda x: x + CHANNELS.reshape(3, 1, 1),
    "add along the width": lambda x: x + torch.arange(6.0),
    "subtract from a number": lambda x: 1 - x,
    "divide by channel": lambda x: x / CHANNELS.reshape(1, 3, 1, 1),
    "gate": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "hardswish": nn.hardswish,
    "leaky relu": nn.leaky_relu,
    "prelu": lambda x: torch.prelu(x, CHANNELS),
    "gelu": nn.gelu,
    "mish": nn.mish,
    "glu of channels": lambda x: nn.glu(torch.cat([x, -x], 1), 1),
    "glu of rows": lambda x: nn.glu(torch.cat([x, -x], 2), 2),
    "clamp": lambda x: x.clamp(-0.3, 0.7),
    "softmax of channels": lambda x: torch.softmax(x, 1),
    "softmax of rows": lambda x: torch.softmax(x, 2),
    "log softmax of columns": lambda x: torch.log_softmax(x, 3),
    "mean of the image": lambda x: x.mean((2, 3)),
    "mean of channels": lambda x: x.mean(1),
    "mean of rows": lambda x: x.mean(2),
    "sum, kept": lambda x: x.sum((1, 3), keepdim=True),
    "sum of all": lambda x: x.sum(),
    "largest of channels": lambda x: x.amax(1),
    "place of the largest": lambda x: x.argmax(1),
    "largest and its place": lambda x: x.max(1),
    "largest and its place, kept": lambda x: x.max(1, keepdim=True),
    "norm of channels": lambda x: nn.normalize(x, dim=1),
    "logsumexp": lambda x: x.logsumexp((1, 2)),
    "variance of channels": lambda x: x.var(1),
    "deviation of the image": lambda x: torch.std_mean(x, (2, 3)),
    "batch norm": lambda x: nn.batch_norm(x, CHANNELS, CHANNELS.abs(), CHANNELS, CHANNELS.abs()),
    "instance norm": lambda x: nn.instance_norm(x, weight=CHANNELS, bias=CHANNELS),
    "group norm": lambda x: nn.group_norm(torch.cat([x, -x], 1), 2, torch.arange(6.0), torch.ones(6)),
    "layer norm": lambda x: nn.layer_norm(x, (6,), torch.arange(6.0), torch.ones(6)),
    "masked by channel": lambda x: x.masked_fill(CHANNELS.reshape(3, 1, 1) > 0, -2.0),
    "chosen": lambda x: torch.where(x > 0.2, x, CHANNELS.reshape(3, 1, 1)),
    "compared": lambda x: (x >= CHANNELS.reshape(3, 1, 1)).to(torch.float32),
    "running sums of channels": lambda x: x.cumsum(1),
    "rounded": lambda x: (x * 3).round(),
    "erf": torch.erf,
    "to whole numbers": lambda x: (x * 5).to(torch.int64) + 1,
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_computes_the_same_behind_a_pooling_in_nhwc_at_every_level(name: str, registry: Registry) -> None:
    image = torch.randn((2, 3, 5, 7), generator=torch.Generator().manual_seed(5))

    found = runs(lambda x: FUNCTIONS[name](nn.max_pool2d(x, (1, 2), 1)), [image], registry)

    assert found, "no feature level supports it"
    assert [run.differences for run in found.values() if run.differences] == []
    assert any(run.layout.nhwc_values for run in found.values())


@pytest.mark.parametrize("name", ["gate", "batch norm", "clamp", "hardswish", "mean of the image", "add by channel"])
def test_needs_no_transpose_behind_a_pooling(name: str, registry: Registry) -> None:
    image = torch.randn((2, 3, 5, 7), generator=torch.Generator().manual_seed(5))

    found = runs(lambda x: FUNCTIONS[name](nn.max_pool2d(x, (1, 2), 1)), [image], registry)

    assert {run.lowered.transposes for run in found.values()} == {0}
