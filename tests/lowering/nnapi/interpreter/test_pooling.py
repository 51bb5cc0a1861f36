"""Pooling against PyTorch, and what NNAPI's averages leave out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name that everyone knows it by

from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.single_operation import (
    assert_close,
    compute,
    nchw,
    nhwc,
    random,
    random_integers,
    tensor,
)


@pytest.mark.parametrize("is_nchw", [False, True])
def test_max_pool_2d_is_pytorchs(is_nchw: bool) -> None:
    values = random(2, 9, 12, 5)
    expected = F.max_pool2d(nchw(values), (3, 4), (2, 3), (1, 2))
    given = nchw(values).numpy() if is_nchw else values

    found = compute("MAX_POOL_2D", tensor(given), 2, 2, 1, 1, 3, 2, 4, 3, 0, is_nchw)

    assert np.array_equal(found, expected.numpy() if is_nchw else nhwc(expected))


def test_average_pool_2d_leaves_padding_out_of_the_divisor() -> None:
    values = random(2, 9, 12, 5)
    expected = F.avg_pool2d(nchw(values), (3, 4), (2, 3), (1, 2), count_include_pad=False)

    found = compute("AVERAGE_POOL_2D", tensor(values), 2, 2, 1, 1, 3, 2, 4, 3, 0)

    assert_close(found, nhwc(expected), rtol=1e-5, atol=1e-6)


def test_implicit_padding_of_a_pool_is_split_with_the_odd_cell_after() -> None:
    values = random(1, 5, 6, 2)
    # Height 5 at stride 2 with filter 2 needs one cell, width 6 at stride 3 with filter 5 needs two.
    padded = F.pad(nchw(values), (1, 1, 0, 1), value=-np.inf)

    found = compute("MAX_POOL_2D", tensor(values), 1, 3, 2, 5, 2, 0)

    assert np.array_equal(found, nhwc(F.max_pool2d(padded, (2, 5), (2, 3))))


def test_l2_pool_2d_is_the_root_of_the_mean_square() -> None:
    values = random(1, 4, 6, 3)
    squares = F.avg_pool2d(nchw(values) ** 2, (2, 3), (1, 2))

    found = compute("L2_POOL_2D", tensor(values), 0, 0, 0, 0, 2, 1, 3, 2, 0)

    assert_close(found, nhwc(squares.sqrt()), rtol=1e-5, atol=1e-6)


def test_quantized_averages_round_to_the_nearest_and_clamp() -> None:
    values = random_integers(0, 256, 1, 4, 6, 3)
    means = F.avg_pool2d(nchw(values.astype(np.float64)), (2, 2), (2, 2))
    expected = np.clip(np.floor(nhwc(means + 0.5)), 100, 112)

    found = compute("AVERAGE_POOL_2D", tensor(values, 0.5, 100), 2, 2, 2, 2, 2, 3)

    # RELU6 at scale 0.5 lets 12 steps above the zero point pass.
    assert np.array_equal(found, expected)


def test_padding_never_wins_a_quantized_maximum() -> None:
    values = np.full((1, 3, 4, 2), -128, np.int8)

    found = compute("MAX_POOL_2D", tensor(values, 0.5, 5), 1, 1, 1, 1, 1, 1, 3, 3, 0, quant=QuantParams(0.5, 5))

    assert found.shape == (1, 3, 4, 2)
    assert set(found.reshape(-1).tolist()) == {-128}


def test_a_pool_over_everything_is_the_mean() -> None:
    values = random(2, 7, 9, 4)

    found = compute("AVERAGE_POOL_2D", tensor(values), 0, 0, 0, 0, 1, 1, 9, 7, 0)

    assert_close(found[:, 0, 0], torch.from_numpy(values).mean((1, 2)).numpy(), rtol=1e-5, atol=1e-6)
