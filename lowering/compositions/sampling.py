"""How much each cell of an axis contributes to each cell of its resized or pooled form, as a matrix [output, input].

Positions are computed in float32, as PyTorch does, for the last bit decides which cell a position falls into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.emission.recipes import Inline, Recipe

Matrix = npt.NDArray[np.float32]


class Interpolation(Protocol):
    """The matrix of an interpolation from ``size`` cells to ``output``; ``scale`` is the factor that was asked for."""

    def __call__(self, size: int, output: int, *, scale: float | None, align_corners: bool) -> Matrix:
        """One row for each cell of the result."""
        ...


_CUBIC, _SMOOTH_CUBIC = -0.75, -0.5
"""PyTorch's coefficients of bicubic interpolation, and of the one that takes the mean of what it skips."""


def matrix_recipe(matrix: Matrix, dtype: ElementType) -> Recipe:
    """A matrix as a constant of a floating element type."""
    stored = matrix.astype("<f4").tobytes()
    return Inline(stored, ElementType.FLOAT32, (matrix.shape[0], matrix.shape[1])).cast(dtype)


def linear(size: int, output: int, *, scale: float | None, align_corners: bool) -> Matrix:
    """Linear interpolation; ``scale`` is the factor that was asked for, where it counts."""
    if size == output:
        return np.eye(size, dtype=np.float32)
    places = np.maximum(_places(size, output, scale=scale, align_corners=align_corners), np.float32(0))
    lower = np.minimum(places.astype(np.int64), size - 1)
    share = np.clip(places - lower.astype(np.float32), 0, 1).astype(np.float32)
    matrix = np.zeros((output, size), np.float32)
    rows = np.arange(output)
    np.add.at(matrix, (rows, lower), 1 - share)
    np.add.at(matrix, (rows, np.minimum(lower + 1, size - 1)), share)
    return matrix


def cubic(size: int, output: int, *, scale: float | None, align_corners: bool) -> Matrix:
    """Cubic interpolation between four cells; those beyond the border are the border's."""
    if size == output:
        return np.eye(size, dtype=np.float32)
    places = _places(size, output, scale=scale, align_corners=align_corners)
    lower = np.floor(places)
    share = (places - lower).astype(np.float32)
    matrix = np.zeros((output, size), np.float32)
    rows = np.arange(output)
    for tap in (-1, 0, 1, 2):
        cells = np.clip(lower.astype(np.int64) + tap, 0, size - 1)
        np.add.at(matrix, (rows, cells), _cubic_weight(np.abs(share - np.float32(tap)), _CUBIC))
    return matrix


def smoothed_linear(size: int, output: int, *, scale: float | None, align_corners: bool) -> Matrix:
    """Linear interpolation whose triangle is as wide as a step, so that a smaller axis skips no cell."""
    step = _stride(size, output, scale=scale, align_corners=align_corners)
    return _smoothed(size, output, step, 1, lambda distance: np.maximum(1 - distance, 0))


def smoothed_cubic(size: int, output: int, *, scale: float | None, align_corners: bool) -> Matrix:
    """Cubic interpolation whose curve is as wide as four steps, so that a smaller axis skips no cell."""
    step = _stride(size, output, scale=scale, align_corners=align_corners)
    return _smoothed(size, output, step, 2, lambda distance: _cubic_weight(distance, _SMOOTH_CUBIC))


def _smoothed(size: int, output: int, step: np.float32, reach: int, weight: Callable[[Matrix], Matrix]) -> Matrix:
    """Cells nearer than ``reach`` steps to the middle of an output cell, by their ``weight``, which add up to one."""
    half, width = np.float32(0.5), max(step, np.float32(1))
    matrix = np.zeros((output, size), np.float32)
    for row in range(output):
        # The middles of aligned corners are half a step off, as PyTorch's are.
        middle = step * (np.float32(row) + half)
        start, stop = max(int(middle - width * reach + half), 0), min(int(middle + width * reach + half), size)
        weights = weight(np.abs(np.arange(start, stop, dtype=np.float32) - middle + half) / width)
        matrix[row, start:stop] = weights / weights.sum()
    return matrix


def _cubic_weight(distance: Matrix, coefficient: float) -> Matrix:
    a = np.float32(coefficient)
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0)).astype(np.float32)


def nearest(size: int, output: int, *, scale: float | None, is_centered: bool) -> Matrix:
    """The nearest cell, by corners as ``nearest`` does, or by centers as ``nearest-exact`` does."""
    step = _step(size, output, scale)
    cells = np.arange(output, dtype=np.float32)
    if size == output:
        found = np.arange(size)
    elif is_centered:
        found = np.floor((cells + np.float32(0.5)) * step).astype(np.int64)
    elif output == 2 * size:
        found = np.arange(output) >> 1
    else:
        found = np.floor(cells * step).astype(np.int64)
    matrix = np.zeros((output, size), np.float32)
    matrix[np.arange(output), np.minimum(found, size - 1)] = 1
    return matrix


def adaptive_mean(size: int, output: int) -> Matrix:
    """The mean of each of ``output`` spans that cover the axis, which may overlap by a cell."""
    matrix = np.zeros((output, size), np.float32)
    for cell in range(output):
        start, stop = cell * size // output, -(-(cell + 1) * size // output)
        matrix[cell, start:stop] = np.float32(1) / np.float32(stop - start)
    return matrix


def _places(size: int, output: int, *, scale: float | None, align_corners: bool) -> Matrix:
    """Where each output cell lies among the input's cells."""
    cells, half = np.arange(output, dtype=np.float32), np.float32(0.5)
    step = _stride(size, output, scale=scale, align_corners=align_corners)
    return (cells * step if align_corners else step * (cells + half) - half).astype(np.float32)


def _stride(size: int, output: int, *, scale: float | None, align_corners: bool) -> np.float32:
    """How far apart output cells lie in the input, where the corners of both may be aligned."""
    if not align_corners:
        return _step(size, output, scale)
    return np.float32(size - 1) / np.float32(output - 1) if output > 1 else np.float32(0)


def _step(size: int, output: int, scale: float | None) -> np.float32:
    """How far apart output cells lie in the input: by the factor that was asked for, or by the sizes."""
    if scale is not None and scale > 0:
        return np.float32(1.0 / scale)
    return np.float32(size) / np.float32(output)
