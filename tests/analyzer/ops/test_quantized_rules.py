"""The rules for quantized ops that PyTorch cannot type on meta tensors answer what a run gives."""

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import ElementType, PerTensor, TensorType

CHANNELS = 17
"""More than the elements of a constant that are read, so that statistics stay on meta."""


class Normalized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.numbers = nn.ParameterList(nn.Parameter(torch.rand(CHANNELS), requires_grad=False) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.quantize_per_tensor(x, 0.05, 100, torch.quint8)
        found: torch.Tensor = torch.ops.quantized.batch_norm2d(x, *self.numbers, 1e-5, 0.04, 111)
        return found


class Faked(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fake_quantize_per_tensor_affine(x, 0.05, 100, 0, 255)


@pytest.mark.parametrize(
    ("module", "quant"), [(Normalized(), PerTensor(0.04, 111)), (Faked(), None)], ids=["normalized", "faked"]
)
def test_types_are_those_of_a_run(module: nn.Module, quant: PerTensor | None) -> None:
    x = torch.rand(2, CHANNELS, 3, 5)

    graph = capture(module, [x], weights=False).graph

    (output,) = graph.body.outputs
    plain = TensorType(ElementType.FLOAT32, (2, CHANNELS, 3, 5))
    wanted = plain if quant is None else TensorType(ElementType.QUINT8, plain.shape, quant)
    assert graph.type_of(output) == wanted
