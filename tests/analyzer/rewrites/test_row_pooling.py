"""Pooling along one dimension is one op, although decompositions write it as one of an image."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from tests.analyzer.torch_models import Called

POOLINGS = [
    pytest.param(nn.AvgPool1d(3, 2, 1), (2, 3, 7), id="average"),
    pytest.param(nn.AvgPool1d(3, ceil_mode=True, count_include_pad=False), (3, 7), id="without a batch"),
    pytest.param(nn.MaxPool1d(3, 1, 1, dilation=2), (2, 3, 9), id="largest"),
    pytest.param(nn.AdaptiveAvgPool1d(4), (2, 3, 7), id="adaptive"),
]


@pytest.mark.parametrize(("module", "shape"), POOLINGS)
def test_decomposed_pooling_is_the_op_that_the_module_calls(
    module: nn.Module, shape: tuple[int, ...], tmp_path: Path
) -> None:
    x = torch.rand(shape)
    (live,) = capture(module.eval(), [x], weights=False).graph.nodes()
    program = torch.export.export(module, (x,)).run_decompositions()
    torch.export.save(program, tmp_path / "decomposed.pt2")

    (found,) = capture(tmp_path / "decomposed.pt2", None, weights=False).graph.nodes()

    assert (found.op, dict(found.arguments)) == (live.op, dict(live.arguments))


@pytest.mark.parametrize(
    "pooled",
    [
        lambda x: nn.functional.avg_pool2d(x.unsqueeze(-2), (1, 2), padding=(0, 1), divisor_override=3).squeeze(-2),
        lambda x: nn.functional.avg_pool2d(x.unsqueeze(-1), (2, 1)).squeeze(-1),
        lambda x: nn.functional.adaptive_avg_pool2d(x.unsqueeze(-2), (2, 3)).squeeze(-2),
    ],
    ids=["another divisor", "columns", "two rows"],
)
def test_other_pooling_of_images_stays_one(pooled: Callable[[torch.Tensor], torch.Tensor]) -> None:
    graph = capture(Called(pooled), [torch.rand(2, 3, 6)], weights=False).graph

    assert [node.op for node in graph.nodes() if "pool1d" in node.op] == []
