"""What stays on the CPU is said to do so for a reason, of however many dimensions its tensors are."""

import pytest
import torch
import torch.nn.functional as nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.judging.judge import LEVELS, judge
from nnapi_check.coverage_db.queries import open_registry
from tests.analyzer.torch_models import Called, Function

OF_ANY_RANK: dict[str, Function] = {
    "group_norm": lambda x: nn.group_norm(x, 2),
    "instance_norm": nn.instance_norm,
    "layer_norm": lambda x: nn.layer_norm(x, x.shape[-1:]),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(2),
    "repeat": lambda x: x.repeat([2] * x.dim()),
    "expand": lambda x: x[:, :1].expand(x.shape),
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean((0, 2)),
    "cat": lambda x: torch.cat([x, x], 1),
    "flip": lambda x: x.flip(1),
    "cumsum": lambda x: x.cumsum(1),
    "add": lambda x: x + x[:, :, :1],
    "prelu": lambda x: nn.prelu(x, torch.rand(4)),
    "linear": lambda x: nn.linear(x, torch.rand(3, x.shape[-1])),
    "permute": lambda x: x.permute(*reversed(range(x.dim()))),
}


@pytest.mark.parametrize("rank", [5, 6, 7])
@pytest.mark.parametrize("name", OF_ANY_RANK)
def test_a_call_that_is_refused_has_a_reason_at_every_level(name: str, rank: int) -> None:
    registry = open_registry()
    x = torch.rand([2, 4, 3, 2, 3, 2, 2][:rank])
    graph = capture(Called(OF_ANY_RANK[name]), [x], weights=False).graph

    for target in registry.targets():
        judgement = judge(graph, registry, target)
        for level in LEVELS:
            for verdict in judgement.at(level).values():
                assert verdict.is_supported or verdict.failures
