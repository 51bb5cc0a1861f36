"""Moves between space, channels and batch, against PyTorch and by definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.single_operation import compute, nchw, nhwc, random, random_integers, tensor

BLOCK = np.asarray([2, 3], np.int32)


def to_nchw(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def test_depth_to_space_is_pixel_shuffle_of_channels_in_block_order() -> None:
    x = random(2, 3, 5, 8)

    y = compute("DEPTH_TO_SPACE", tensor(x), 2)

    # PyTorch's channels run depth, block row, block column.
    reordered = nchw(x).reshape(2, 4, 2, 3, 5).transpose(1, 2).flatten(1, 2)
    np.testing.assert_array_equal(y, nhwc(functional.pixel_shuffle(reordered, 2)))


def test_space_to_depth_is_the_inverse() -> None:
    x = random(2, 6, 9, 2)

    y = compute("SPACE_TO_DEPTH", tensor(x), 3)

    assert y.shape == (2, 2, 3, 18)
    np.testing.assert_array_equal(compute("DEPTH_TO_SPACE", tensor(y), 3), x)


@pytest.mark.parametrize(("kind", "shape"), [("DEPTH_TO_SPACE", (2, 3, 5, 8)), ("SPACE_TO_DEPTH", (2, 6, 4, 3))])
def test_blocks_of_depth_know_both_layouts(kind: str, shape: tuple[int, ...]) -> None:
    x = random(*shape)

    y = compute(kind, tensor(to_nchw(x)), 2, True)

    np.testing.assert_array_equal(y, to_nchw(compute(kind, tensor(x), 2)))


def test_space_to_batch_takes_every_second_row_and_third_column() -> None:
    x = random(2, 4, 6, 5)

    y = compute("SPACE_TO_BATCH_ND", tensor(x), tensor(BLOCK), tensor(np.zeros((2, 2), np.int32)))

    for row in range(2):
        for column in range(3):
            first = (row * 3 + column) * 2
            np.testing.assert_array_equal(y[first : first + 2], x[:, row::2, column::3])


def test_space_to_batch_pads_with_the_real_zero() -> None:
    x = random_integers(10, 100, 1, 3, 4, 2)
    borders = np.asarray([[1, 0], [0, 2]], np.int32)

    y = compute("SPACE_TO_BATCH_ND", tensor(x, 0.5, 7), tensor(BLOCK), tensor(borders))

    padded = np.full((1, 4, 6, 2), 7, np.uint8)
    padded[:, 1:, :4] = x
    np.testing.assert_array_equal(y[5], padded[0, 1::2, 2::3])


def test_batch_to_space_is_the_inverse_of_space_to_batch() -> None:
    x = random(2, 4, 6, 5)
    blocks = compute("SPACE_TO_BATCH_ND", tensor(x), tensor(BLOCK), tensor(np.zeros((2, 2), np.int32)))

    np.testing.assert_array_equal(compute("BATCH_TO_SPACE_ND", tensor(blocks), tensor(BLOCK)), x)


def test_blocks_of_batch_know_both_layouts() -> None:
    x = random(6, 4, 3, 5)
    borders = np.asarray([[2, 0], [0, 3]], np.int32)

    there = compute("BATCH_TO_SPACE_ND", tensor(to_nchw(x)), tensor(BLOCK), True)
    back = compute("SPACE_TO_BATCH_ND", tensor(to_nchw(x)), tensor(BLOCK), tensor(borders), True)

    np.testing.assert_array_equal(there, to_nchw(compute("BATCH_TO_SPACE_ND", tensor(x), tensor(BLOCK))))
    np.testing.assert_array_equal(
        back, to_nchw(compute("SPACE_TO_BATCH_ND", tensor(x), tensor(BLOCK), tensor(borders)))
    )


@pytest.mark.parametrize("axis", [1, -3])
def test_channel_shuffle_is_that_of_pytorch(axis: int) -> None:
    x = random(2, 6, 4, 5)

    y = compute("CHANNEL_SHUFFLE", tensor(x), 3, axis)

    np.testing.assert_array_equal(y, torch.channel_shuffle(torch.from_numpy(x), 3).numpy())


@pytest.mark.parametrize(
    ("kind", "shape", "argument"),
    [("DEPTH_TO_SPACE", (1, 2, 2, 6), 2), ("SPACE_TO_DEPTH", (1, 4, 3, 1), 2), ("DEPTH_TO_SPACE", (1, 2, 2, 4), 0)],
)
def test_blocks_must_fit(kind: str, shape: tuple[int, ...], argument: int) -> None:
    with pytest.raises(ExecutionError, match=kind):
        compute(kind, tensor(random(*shape)), argument)


def test_groups_must_divide_channels() -> None:
    with pytest.raises(ExecutionError, match="do not fall into 4 groups"):
        compute("CHANNEL_SHUFFLE", tensor(random(1, 6)), 4, 1)
