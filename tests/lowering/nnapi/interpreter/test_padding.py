"""Borders of one value and mirrored borders, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.single_operation import compute, random, random_integers, tensor

BORDERS = np.asarray([[0, 1], [2, 0], [1, 3]], np.int32)
TORCH_BORDERS = (1, 3, 2, 0, 0, 1)


def test_pad_adds_zeros() -> None:
    x = random(2, 3, 4)

    y = compute("PAD", tensor(x), tensor(BORDERS))

    np.testing.assert_array_equal(y, functional.pad(torch.from_numpy(x), TORCH_BORDERS).numpy())


@pytest.mark.parametrize(("dtype", "zero_point"), [("u1", 9), ("i1", -7)])
def test_pad_of_a_quantized_tensor_adds_the_real_zero(dtype: str, zero_point: int) -> None:
    x = random_integers(1, 100, 2, 3, 4, dtype=dtype)

    y = compute("PAD", tensor(x, 0.5, zero_point), tensor(BORDERS))

    np.testing.assert_array_equal(y, functional.pad(torch.from_numpy(x), TORCH_BORDERS, value=zero_point).numpy())


@pytest.mark.parametrize(("dtype", "value"), [("f4", 2.5), ("u1", 200), ("i1", -100)])
def test_pad_v2_adds_the_stored_value(dtype: str, value: float) -> None:
    x = random_integers(1, 100, 2, 3, 4, dtype=dtype)

    y = compute("PAD_V2", tensor(x, 0.5 if dtype != "f4" else 0.0, 3 if dtype != "f4" else 0), tensor(BORDERS), value)

    np.testing.assert_array_equal(y, functional.pad(torch.from_numpy(x), TORCH_BORDERS, value=value).numpy())


def test_paddings_are_not_negative() -> None:
    with pytest.raises(ExecutionError, match="wanted none below 0"):
        compute("PAD", tensor(random(3)), tensor(np.asarray([[-1, 0]], np.int32)))


def test_mirror_pad_reflects_without_the_border() -> None:
    x = random(1, 3, 4)

    y = compute("MIRROR_PAD", tensor(x), tensor(np.asarray([[0, 0], [2, 1], [1, 3]], np.int32)), 0)

    np.testing.assert_array_equal(y, functional.pad(torch.from_numpy(x), (1, 3, 2, 1), mode="reflect").numpy())


def test_mirror_pad_repeats_the_border_when_symmetric() -> None:
    x: Array = np.asarray([1, 2, 3], np.int32)

    y = compute("MIRROR_PAD", tensor(x), tensor(np.asarray([[3, 2]], np.int32)), 1)

    assert y.tolist() == [3, 2, 1, 1, 2, 3, 3, 2]


@pytest.mark.parametrize(("mode", "most"), [(0, 2), (1, 3)])
def test_mirror_pad_fails_beyond_the_tensor(mode: int, most: int) -> None:
    x = random(3)

    compute("MIRROR_PAD", tensor(x), tensor(np.asarray([[0, most]], np.int32)), mode)

    with pytest.raises(ExecutionError, match=f"more than {most}"):
        compute("MIRROR_PAD", tensor(x), tensor(np.asarray([[0, most + 1]], np.int32)), mode)
