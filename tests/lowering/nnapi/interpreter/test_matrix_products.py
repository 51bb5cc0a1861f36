"""FULLY_CONNECTED and BATCH_MATMUL against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.single_operation import assert_close, compute, random, random_integers, tensor


def test_fully_connected_flattens_to_the_width_of_its_weights() -> None:
    values, weights, bias = random(2, 3, 5, 4), random(7, 20), random(7)
    expected = torch.nn.functional.linear(torch.from_numpy(values).reshape(6, 20), torch.from_numpy(weights))

    found = compute("FULLY_CONNECTED", tensor(values), tensor(weights), tensor(bias), 1)

    assert_close(found, np.maximum(expected.numpy() + bias, 0), rtol=1e-4, atol=1e-5)


def test_fully_connected_refuses_an_input_that_does_not_divide() -> None:
    with pytest.raises(ExecutionError, match="do not fit"):
        compute("FULLY_CONNECTED", tensor(random(2, 3)), tensor(random(7, 4)), tensor(random(7)), 0)


def test_fully_connected_refuses_a_bias_of_another_length() -> None:
    with pytest.raises(ExecutionError, match=r"the bias has shape \(6,\), wanted \(7,\)"):
        compute("FULLY_CONNECTED", tensor(random(2, 4)), tensor(random(7, 4)), tensor(random(6)), 0)


@pytest.mark.parametrize("width", [20, 2000])
def test_quantized_fully_connected_is_exact(width: int) -> None:
    values, weights = random_integers(0, 256, 3, width), random_integers(0, 256, 7, width, seed=8)
    bias = random_integers(-5000, 5000, 7, dtype="i4")
    sums = (values.astype(int) - 3) @ (weights.astype(int) - 200).T + bias
    scale = float(np.abs(sums).max()) / 100
    expected = np.clip(np.floor(sums / scale + 0.5) + 128, 0, 255)

    found = compute(
        "FULLY_CONNECTED", tensor(values, 0.5, 3), tensor(weights, 0.5, 200), tensor(bias, 0.25), 0,
        quant=QuantParams(scale * 0.25, 128),
    )  # fmt: skip

    assert np.array_equal(found, expected)


@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("adj_y", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "i4"])
def test_batch_matmul_transposes_what_its_flags_say(adj_x: bool, adj_y: bool, dtype: str) -> None:
    left, right = (random(2, 3, 4, 5) * 9).astype(dtype), (random(2, 3, 5, 6, seed=8) * 9).astype(dtype)
    expected = (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()

    found = compute(
        "BATCH_MATMUL",
        tensor(np.ascontiguousarray(left.swapaxes(2, 3)) if adj_x else left),
        tensor(np.ascontiguousarray(right.swapaxes(2, 3)) if adj_y else right),
        adj_x,
        adj_y,
    )

    assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("adj_y", [False, True])
def test_quantized_batch_matmul_is_exact(adj_y: bool) -> None:
    left = random_integers(-128, 128, 2, 3, 1500, dtype="i1")
    right = random_integers(-128, 128, 2, 1500, 4, dtype="i1", seed=8)
    sums = (left.astype(int) - 3) @ (right.astype(int) + 9)
    scale = float(np.abs(sums).max()) / 100
    expected = np.clip(np.floor(sums / scale + 0.5) - 5, -128, 127)
    given = np.ascontiguousarray(right.swapaxes(1, 2)) if adj_y else right

    found = compute(
        "BATCH_MATMUL", tensor(left, 0.5, 3), tensor(given, 0.5, -9), False, adj_y, quant=QuantParams(scale * 0.25, -5)
    )

    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("left", "right"), [((2, 3), (2, 3, 4)), ((3,), (3,))])
def test_matrices_of_other_rank_fail_by_name(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ExecutionError, match="wanted equal ones from 2"):
        compute("BATCH_MATMUL", tensor(random(*left)), tensor(random(*right)), False, False)
