"""Parts of tensors, against Python's own slices and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.operation_outputs import F4, compute_all
from tests.lowering.nnapi.interpreter.single_operation import compute, random, random_integers, tensor

BOUNDS = st.integers(-9, 9)
STRIDES = st.integers(-3, 3).filter(bool)


def ints(*values: int) -> Array:
    return np.asarray(values, np.int32)


def strided(
    x: Array,
    begin: tuple[int, ...],
    end: tuple[int, ...],
    strides: tuple[int, ...],
    masks: tuple[int, int, int] = (0, 0, 0),
) -> Array:
    return compute("STRIDED_SLICE", tensor(x), *(tensor(ints(*each)) for each in (begin, end, strides)), *masks)


@given(begin=st.tuples(BOUNDS, BOUNDS), end=st.tuples(BOUNDS, BOUNDS), strides=st.tuples(STRIDES, STRIDES))
def test_strided_slice_clamps_as_python_slices_do(
    begin: tuple[int, int], end: tuple[int, int], strides: tuple[int, int]
) -> None:
    x = random(4, 7)

    y = strided(x, begin, end, strides)

    np.testing.assert_array_equal(y, x[begin[0] : end[0] : strides[0], begin[1] : end[1] : strides[1]])


def test_strided_slice_masks_name_the_fullest_range_whatever_the_direction() -> None:
    x = random(4, 7)

    y = strided(x, (2, 2), (3, 3), (1, -2), masks=(0b11, 0b11, 0))

    np.testing.assert_array_equal(y, x[:, ::-2])


def test_strided_slice_shrinks_dimensions_and_leaves_one() -> None:
    x = random(4, 7)

    np.testing.assert_array_equal(strided(x, (1, 2), (2, 6), (1, 2), masks=(0, 0, 0b01)), x[1, 2:6:2])
    np.testing.assert_array_equal(strided(x, (1, -1), (2, 7), (1, 1), masks=(0, 0, 0b11)), x[1:2, 6])


@pytest.mark.parametrize(("begin", "end", "stride", "shrink"), [(0, 4, 0, 0), (0, 2, 1, 1), (2, 1, -1, 1)])
def test_strided_slice_fails_without_stride_and_when_shrinking_more_than_one(
    begin: int, end: int, stride: int, shrink: int
) -> None:
    with pytest.raises(ExecutionError, match="dimension 0"):
        strided(random(4), (begin,), (end,), (stride,), masks=(0, 0, shrink))


def test_slice_reaches_to_the_end_for_minus_one() -> None:
    x = random_integers(0, 255, 4, 5, 6)

    y = compute("SLICE", tensor(x, 0.5, 3), tensor(ints(1, 0, 4)), tensor(ints(2, -1, -1)))

    np.testing.assert_array_equal(y, x[1:3, :, 4:])


@pytest.mark.parametrize(("begin", "size"), [(0, 5), (3, 2), (-1, 1), (5, 0), (2, -2)])
def test_slice_clamps_nothing(begin: int, size: int) -> None:
    with pytest.raises(ExecutionError, match="not within a dimension of 4"):
        compute("SLICE", tensor(random(4)), tensor(ints(begin)), tensor(ints(size)))


@pytest.mark.parametrize("axis", [1, -2])
def test_split_cuts_equal_parts(axis: int) -> None:
    x = random(2, 6, 5)

    parts = compute_all("SPLIT", tensor(x), axis, 3, outputs=[F4] * 3)

    for part, wanted in zip(parts, torch.from_numpy(x).chunk(3, dim=1), strict=True):
        np.testing.assert_array_equal(part, wanted.numpy())


def test_split_fails_on_unequal_parts() -> None:
    with pytest.raises(ExecutionError, match="not a multiple of 4"):
        compute_all("SPLIT", tensor(random(2, 6)), 1, 4, outputs=[F4] * 4)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_puts_the_shape_of_the_indices_in_place_of_the_axis(axis: int) -> None:
    x = random(3, 4, 5)
    indices = np.asarray([[2, 0, 1, 1], [0, 2, 2, 1]], np.int32)

    y = compute("GATHER", tensor(x), axis, tensor(indices))

    picked = torch.from_numpy(x).index_select(axis, torch.from_numpy(indices.reshape(-1).astype(np.int64)))
    shape = list(x.shape)
    shape[axis : axis + 1 or None] = [2, 4]
    np.testing.assert_array_equal(y, picked.reshape(shape).numpy())


@pytest.mark.parametrize("index", [-1, 3])
def test_gather_fails_on_an_index_out_of_bounds(index: int) -> None:
    with pytest.raises(ExecutionError, match="dimension gathered from is 3"):
        compute("GATHER", tensor(random(3)), 0, tensor(ints(index)))
