"""Calls of `torch.autograd.Function` in a trace."""

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from tests.analyzer.torch_models import ops


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: torch.Tensor, factor: float) -> torch.Tensor:
        return x * factor


class Pair(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y: torch.Tensor = Scaled.apply(x @ weight, 2.5)
        return y, torch.relu(y)


class Calls(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, z = Pair.apply(x, self.weight)
        made: torch.Tensor = torch.tanh(y) + z
        return made


def test_a_function_in_a_trace_is_what_it_computes() -> None:
    captured = capture(Calls(), [torch.rand(2, 3)], weights=False)

    assert ops(captured) == [
        "aten.matmul.default",
        "aten.mul.Tensor",
        "aten.relu.default",
        "aten.tanh.default",
        "aten.add.Tensor",
    ]


@torch.jit.ignore  # type: ignore[untyped-decorator]  # PyTorch gives it no types
def left_to_python(x: torch.Tensor) -> torch.Tensor:
    return x + 1


class Ignores(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(left_to_python(x))


def test_a_call_of_python_that_nothing_is_known_of_is_refused() -> None:
    with pytest.raises(InputError, match=r"calls a Python function at .*, which TorchScript cannot save"):
        capture(torch.jit.script(Ignores()), [torch.rand(2, 3)], weights=False)
