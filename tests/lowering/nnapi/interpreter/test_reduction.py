"""Reductions and selections of largest elements, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.operation_outputs import F4, I4, compute_all
from tests.lowering.nnapi.interpreter.single_operation import assert_close, compute, random, random_integers, tensor


def ints(*values: int) -> Array:
    return np.asarray(values, np.int32)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", [(1,), (0, 2), (-1, 1), (2, -1)])
def test_mean_is_that_of_pytorch(axes: tuple[int, ...], keep: bool) -> None:
    x = random(3, 4, 5)

    y = compute("MEAN", tensor(x), tensor(ints(*axes)), int(keep))

    dims = sorted({axis % 3 for axis in axes})
    assert_close(y, torch.from_numpy(x).mean(dims, keepdim=keep).numpy(), rtol=1e-5, atol=1e-6)


def test_mean_of_quantized_numbers_drops_the_remainder() -> None:
    unsigned: Array = np.asarray([[1, 2, 2], [255, 254, 254]], np.uint8)
    signed: Array = np.asarray([[-1, -2, -2], [1, 2, 2]], np.int8)

    # The means are 1.67, 254.33, -1.67 and 1.67.
    assert compute("MEAN", tensor(unsigned, 0.5, 3), tensor(ints(1)), 0).tolist() == [1, 254]
    assert compute("MEAN", tensor(signed, 0.5, 3), tensor(ints(1)), 0).tolist() == [-1, 1]


def test_mean_over_no_axes_is_the_tensor() -> None:
    x = random(2, 3)

    np.testing.assert_array_equal(compute("MEAN", tensor(x), tensor(ints()), 0), x)


def test_what_is_reduced_altogether_keeps_one_dimension() -> None:
    y = compute("MEAN", tensor(random(2, 3)), tensor(ints(0, 1)), 0)

    assert y.shape == (1,)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    ("kind", "reduce"),
    [
        ("REDUCE_SUM", torch.sum),
        ("REDUCE_MAX", torch.amax),
        ("REDUCE_MIN", torch.amin),
    ],
)
def test_reductions_are_those_of_pytorch(kind: str, reduce: object, keep: bool) -> None:
    x = random(3, 4, 5)

    y = compute(kind, tensor(x), tensor(ints(-1, 0)), keep)

    assert callable(reduce)
    assert_close(y, reduce(torch.from_numpy(x), (0, 2), keepdim=keep).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["u1", "i1", "f2"])
def test_extremes_keep_the_type(dtype: str) -> None:
    x = random_integers(0, 100, 3, 4, dtype=dtype)
    quant = (0.5, 3) if dtype != "f2" else (0.0, 0)

    y = compute("REDUCE_MAX", tensor(x, *quant), tensor(ints(1)), False)

    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x.max(axis=1))


def test_product_with_zero_is_zero_even_beside_infinity() -> None:
    x: Array = np.asarray([[0, np.inf, 2], [3, 4, -0.5]], np.float32)

    y = compute("REDUCE_PROD", tensor(x), tensor(ints(1)), False)

    assert y.tolist() == [0, -6]


@pytest.mark.parametrize(
    ("kind", "wanted"), [("REDUCE_ALL", [False, True, False]), ("REDUCE_ANY", [True, True, False])]
)
def test_truth_values_are_joined(kind: str, wanted: list[bool]) -> None:
    x: Array = np.asarray([[True, False], [True, True], [False, False]])

    assert compute(kind, tensor(x), tensor(ints(1)), False).tolist() == wanted


@pytest.mark.parametrize(("kind", "wanted"), [("ARGMAX", [1, 0]), ("ARGMIN", [0, 2])])
def test_the_first_of_equal_extremes_is_found(kind: str, wanted: list[int]) -> None:
    x: Array = np.asarray([[1, 5, 1, 5], [9, 7, 2, 2]], np.int32)

    assert compute(kind, tensor(x), -1, output=I4).tolist() == wanted


def test_extreme_of_the_only_dimension_has_one_dimension() -> None:
    y = compute("ARGMAX", tensor(random(7)), 0, output=I4)

    assert y.shape == (1,)


def test_top_k_is_that_of_pytorch() -> None:
    x = random(2, 3, 7)

    values, indices = compute_all("TOPK_V2", tensor(x), 4, outputs=[F4, I4])

    wanted = torch.from_numpy(x).topk(4, dim=-1)
    np.testing.assert_array_equal(values, wanted.values.numpy())
    np.testing.assert_array_equal(indices, wanted.indices.numpy())


def test_top_k_puts_the_larger_index_first_among_equal_elements() -> None:
    x: Array = np.asarray([4, 9, 4, 9, 1], np.int32)

    values, indices = compute_all("TOPK_V2", tensor(x), 4, outputs=[I4, I4])

    assert values.tolist() == [9, 9, 4, 4]
    assert indices.tolist() == [3, 1, 2, 0]


@pytest.mark.parametrize("k", [0, 6])
def test_top_k_fails_beyond_the_dimension(k: int) -> None:
    with pytest.raises(ExecutionError, match=f"k is {k}"):
        compute_all("TOPK_V2", tensor(random(5)), k, outputs=[F4, I4])


def test_an_axis_out_of_range_is_an_error() -> None:
    with pytest.raises(ExecutionError, match="axis is 2"):
        compute("REDUCE_SUM", tensor(random(2, 3)), tensor(ints(2)), False)


def test_a_mean_of_nothing_fails() -> None:
    empty: Array = np.zeros((2, 0), np.float32)

    with pytest.raises(ExecutionError, match="hold no elements"):
        compute("MEAN", tensor(empty), tensor(np.array([1], np.int32)), 0)
