"""Calls of quantized ops in other spellings, and what they give once they are converted."""

from pathlib import Path

import pytest
import torch

from nnapi_check import check, convert
from tests.analyzer.torch_models import Function

quantized = torch.ops.quantized

SPELLINGS: list[tuple[str, Function, str, tuple[int, ...]]] = [
    ("quantized.clamp.default", lambda q: quantized.clamp(q, -0.5, 0.77), "aten.clamp.default", (2, 3, 5, 7)),
    (
        "quantized.max_pool2d.default",
        lambda q: quantized.max_pool2d(q, [3, 2], [2, 1], [1, 0], [1, 1], False),
        "aten.max_pool2d.default",
        (2, 3, 5, 7),
    ),
    (
        "quantized.max_pool1d.default",
        lambda q: quantized.max_pool1d(q, [3], [2], [1], [1], False),
        "aten.max_pool1d.default",
        (2, 3, 7),
    ),
    ("quantized.dropout.default", lambda q: quantized.dropout(q, 0.07, 3, 0.5, False), "aten.dropout.default", (3, 5)),
    *(
        (
            f"quantized.{name}.Scalar2",
            lambda q, name=name: getattr(quantized, name).Scalar2(0.7, q),
            f"quantized.{name}.Scalar",
            (3, 5),
        )
        for name in ("add", "mul", "add_relu", "mul_relu")
    ),
    *(
        (
            f"quantized.{name}.Tensor",
            lambda q, name=name: getattr(quantized, name).Tensor(q, torch.tensor([0.7])),
            f"quantized.{name}.default",
            (3, 5),
        )
        for name in ("add_scalar", "mul_scalar", "mul_scalar_relu")
    ),
]
"""An op, a call of it, the op that it is read as, and the shape of what it takes."""


class OnIntegers(torch.nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(torch.quantize_per_tensor(x, 0.03, 120, torch.quint8)).dequantize()


@pytest.mark.parametrize(
    ("function", "op", "shape"), [case[1:] for case in SPELLINGS], ids=[case[0] for case in SPELLINGS]
)
def test_a_quantized_call_is_read_as_the_one_with_a_card_and_gives_the_same(
    function: Function, op: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)

    report = convert(OnIntegers(function), tmp_path / "made.pt", [torch.randn(shape)], feature_level=4)

    assert [node.op for node in report.nodes][1:-1] == [op]
    assert report.readiness == "ready"
    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_a_number_that_only_a_run_knows_is_added_outside_of_nnapi() -> None:
    module = OnIntegers(lambda q: quantized.add_scalar.Tensor(q, q.dequantize().sum()))

    report = check(module, [torch.randn(3, 5)], feature_level=4)

    (node,) = (node for node in report.nodes if node.op == "quantized.add_scalar.Tensor")
    assert node.part is None
