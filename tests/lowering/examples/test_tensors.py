"""How a card's example writes a tensor."""

import math

import pytest
import torch

from nnapi_check.coverage_db.checks import CardError
from nnapi_check.lowering.examples.tensors import LEAST_POSITIVE, parse_example_tensor
from tests.tolerances import difference


def made(text: str) -> torch.Tensor:
    return parse_example_tensor(text).made(torch.Generator().manual_seed(3))


def test_stated_elements_fill_the_tensor_in_turn() -> None:
    tensor = made("f32[2,3] = -0.0, inf, nan, 0.5")

    flat = tensor.flatten().tolist()
    assert tensor.shape == (2, 3)
    assert math.copysign(1, flat[0]) == -1
    assert flat[1] == math.inf
    assert math.isnan(flat[2])
    assert flat[3:] == [0.5, 0.0, math.inf]


@pytest.mark.parametrize(
    ("text", "dtype", "wanted"),
    [
        ("i64[3] = -7, 0, 2147483647", torch.int64, [-7, 0, 2147483647]),
        ("bool[2] = true, false", torch.bool, [True, False]),
        ("f16[2] = 65504, -inf", torch.float16, [65504.0, -math.inf]),
        ("quint8(0.5,3)[2]! = 1.0, -9", torch.quint8, [1.0, -1.5]),
    ],
)
def test_elements_are_of_the_tensor_s_own_type(text: str, dtype: torch.dtype, wanted: list[float]) -> None:
    tensor = made(text)

    assert tensor.dtype is dtype
    assert (tensor.dequantize() if tensor.is_quantized else tensor).tolist() == wanted


def test_marks_are_read_before_the_elements() -> None:
    assert parse_example_tensor("f32[2]!= 1, 2").is_constant
    assert not parse_example_tensor("f32[2] = 1, 2").is_constant
    assert float(made("f32[40]+!").min()) >= LEAST_POSITIVE
    assert made("qint8(0.02,3)[7,5]@0!").q_per_channel_axis() == 0


@pytest.mark.parametrize(
    "text",
    ["f32[2] = one", "f32[2] = 1, 2, 3", "f32[0] = 1", "i32[2] = 0.5", "bool[2] = 2", "f32[2]+ = 1", "f32", "g32[2]"],
)
def test_what_is_no_tensor_is_refused(text: str) -> None:
    with pytest.raises(CardError):
        made(text)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("found", "wanted", "is_same"),
    [
        ([1.0, NAN], [1.0, NAN], True),
        ([1.0, INF], [1.0, INF], True),
        ([1.0, -INF], [1.0, INF], False),
        ([1.0, NAN], [1.0, INF], False),
        ([1.0, 0.5], [1.0, NAN], False),
        ([1.0, INF], [1.0, 0.5], False),
        ([1.0, NAN], [1.0, 0.5], False),
    ],
)
def test_comparison_of_examples_counts_what_is_not_finite(
    found: list[float], wanted: list[float], is_same: bool
) -> None:
    assert (difference(torch.tensor(found), torch.tensor(wanted)) == "") is is_same
