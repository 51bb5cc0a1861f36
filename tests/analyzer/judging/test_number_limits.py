"""Numbers that float32 does not have are refused with a reason, but where an op may be given them."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from nnapi_check import check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE

IMAGE = (torch.rand(2, 3, 8, 8) - 0.5,)

INFINITE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "filled": lambda x: x.masked_fill(x < 0, -math.inf).softmax(-1),
    "chosen": lambda x: torch.where(x > 0, x, -math.inf),
    "two chosen": lambda x: x + torch.where(x > 0, 0.0, -math.inf),
    "compared": lambda x: torch.where(x == math.inf, 0.0, x),
    "below": lambda x: torch.where(x < math.inf, x, 1.0),
    "clamped": lambda x: x.clamp(0.25, math.inf),
    "clamped above": lambda x: x.clamp(-math.inf, 0.25),
    "padded": lambda x: nn.functional.max_pool2d(nn.functional.pad(x, (1, 1, 1, 1), value=-math.inf), 3),
    "taken away": lambda x: torch.cat([x[:, :1] * 0 - math.inf, x[:, 1:]], 1),
    "a norm": lambda x: x.norm(math.inf, dim=1),
    "thresholded": lambda x: nn.functional.threshold(x, 0.0, -math.inf),
    "scattered": lambda x: x.scatter(3, torch.zeros(2, 3, 8, 1, dtype=torch.int64), -math.inf),
    "the least number": lambda x: x.masked_fill(x < 0, torch.finfo(torch.float32).min),
    "a tiny number added": lambda x: torch.log(x.relu() + 1e-45),
}

FINITE: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "a slope": (lambda x: nn.functional.leaky_relu(x, math.inf), "negative_slope is inf"),
    "a factor": (lambda x: torch.add(x, x, alpha=math.nan), "alpha is nan"),
    "a factor that vanishes": (lambda x: torch.sub(x, x, alpha=1e-320), "alpha is 9.99989e-321"),
    "a variance": (lambda x: nn.functional.layer_norm(x, (8,), eps=-1e-3), "eps is -0.001"),
    "a stride": (lambda x: nn.functional.conv2d(x, torch.ones(4, 3, 1, 1), stride=2**31), "stride is 2.14748e+09"),
    "a step": (lambda x: x[:, :, :: 2**40] * 2, "step is 1.09951e+12"),
    "steps of a scale": (
        lambda x: torch.quantize_per_tensor(x, 0.1, 9, torch.quint8).clamp(0.25, math.inf),
        "max is inf",
    ),
}


class Called(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@pytest.mark.parametrize("name", INFINITE)
def test_an_op_that_chooses_compares_or_adds_takes_infinite_numbers(name: str) -> None:
    assert check(Called(INFINITE[name]), IMAGE, feature_level=3).score == 100


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.filterwarnings("ignore:torch.quantize")
def test_another_number_is_refused_with_what_was_found(name: str) -> None:
    function, found = FINITE[name]
    graph, registry = capture(Called(function), IMAGE, weights=False).graph, open_registry()

    told = [
        failure
        for verdict in judge(graph, registry, registry.target(PYTORCH_MOBILE)).at(8).values()
        for failure in verdict.failures
        if failure.requirement == "number"
    ]

    assert found in {failure.found for failure in told}
    assert all(failure.wanted and failure.because and failure.fix for failure in told)
