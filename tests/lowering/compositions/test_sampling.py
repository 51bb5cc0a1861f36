"""Matrices of interpolation against PyTorch's interpolation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.sampling import (
    Matrix,
    adaptive_mean,
    cubic,
    linear,
    matrix_recipe,
    nearest,
    smoothed_cubic,
    smoothed_linear,
)
from nnapi_check.lowering.emission.recipes import Inline

SIZE = st.integers(1, 12)


def resized(size: int, output: int, mode: str, *, align_corners: bool | None = None, smooth: bool = False) -> Matrix:
    """What PyTorch makes of each unit vector, a column each, as a matrix [output, input]."""
    image = torch.eye(size).reshape(1, 1, size, size)
    found = nn.interpolate(image, (output, size), mode=mode, align_corners=align_corners, antialias=smooth)
    columns: Matrix = found[0, 0].numpy()
    return columns


@settings(deadline=None)
@given(size=SIZE, output=SIZE, corners=st.booleans())
def test_linear_interpolation(size: int, output: int, corners: bool) -> None:
    wanted = resized(size, output, "bilinear", align_corners=corners)

    assert np.allclose(linear(size, output, scale=None, align_corners=corners), wanted, atol=1e-6)


@settings(deadline=None)
@given(size=SIZE, output=SIZE, corners=st.booleans())
def test_cubic_interpolation(size: int, output: int, corners: bool) -> None:
    wanted = resized(size, output, "bicubic", align_corners=corners)

    assert np.allclose(cubic(size, output, scale=None, align_corners=corners), wanted, atol=1e-5)


@settings(deadline=None)
@given(size=st.integers(1, 40), output=SIZE, corners=st.booleans())
def test_interpolation_that_skips_nothing(size: int, output: int, corners: bool) -> None:
    lines, curves = (
        resized(size, output, mode, align_corners=corners, smooth=True) for mode in ("bilinear", "bicubic")
    )

    assert np.allclose(smoothed_linear(size, output, scale=None, align_corners=corners), lines, atol=1e-6)
    assert np.allclose(smoothed_cubic(size, output, scale=None, align_corners=corners), curves, atol=1e-6)


@settings(deadline=None)
@given(size=SIZE, output=st.integers(1, 40))
def test_nearest_cells(size: int, output: int) -> None:
    corners, centers = resized(size, output, "nearest"), resized(size, output, "nearest-exact")

    assert np.array_equal(nearest(size, output, scale=None, is_centered=False), corners)
    assert np.array_equal(nearest(size, output, scale=None, is_centered=True), centers)


@given(size=SIZE, output=SIZE)
def test_means_of_uneven_windows(size: int, output: int) -> None:
    wanted = nn.adaptive_avg_pool1d(torch.eye(size).unsqueeze(0), output)[0].T

    assert np.allclose(adaptive_mean(size, output), wanted.numpy(), atol=1e-6)


@pytest.mark.parametrize("scale", [1.5, 2.3, 0.7])
def test_a_factor_counts_more_than_the_sizes(scale: float) -> None:
    output = int(7 * scale)
    image = torch.eye(7).reshape(7, 1, 7, 1)
    wanted = nn.interpolate(image, scale_factor=(scale, 1.0), mode="bilinear").reshape(7, output).T

    assert np.allclose(linear(7, output, scale=scale, align_corners=False), wanted.numpy(), atol=1e-6)
    assert not np.allclose(linear(7, output, scale=None, align_corners=False), wanted.numpy(), atol=1e-3)


def test_a_matrix_becomes_a_constant_of_floats() -> None:
    recipe = matrix_recipe(np.arange(6, dtype=np.float32).reshape(2, 3), ElementType.FLOAT32)

    assert isinstance(recipe, Inline)
    assert recipe.shape == (2, 3)
    assert np.frombuffer(recipe.data, "<f4").tolist() == [0, 1, 2, 3, 4, 5]
