"""Keypoints of quadratic surfaces whose peak is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nnapi_check.coverage_db.spec import OperandType
from tests.lowering.nnapi.interpreter.operation_outputs import F4, U1, compute_all, typed
from tests.lowering.nnapi.interpreter.single_operation import assert_close, tensor

Floats = npt.NDArray[np.float32]

U2 = OperandType.TENSOR_QUANT16_ASYMM


def peak(size: int, x: float, y: float) -> Floats:
    """A quadratic surface with its peak, of height 5, at (x, y) in whole positions."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    surface: Floats = 5 - (columns - x) ** 2 - 2 * (rows - y) ** 2 - 0.5 * (columns - x) * (rows - y)
    return surface.astype(np.float32)


@pytest.mark.parametrize("is_nchw", [False, True])
def test_keypoints_lie_between_whole_positions(is_nchw: bool) -> None:
    maps = np.stack([peak(6, 2.3, 3.4), peak(6, 3.8, 1.1)])[None]
    boxes: Floats = np.asarray([[10, 20, 34, 80]], np.float32)

    scores, points = compute_all(
        "HEATMAP_MAX_KEYPOINT",
        *(tensor(maps if is_nchw else np.ascontiguousarray(maps.transpose(0, 2, 3, 1))), tensor(boxes), is_nchw),
        outputs=[F4, F4],
    )

    # A position stands for the middle of its cell: the box is 24 wide and 60 high, in six cells each way.
    assert_close(scores, np.asarray([[5.0, 5.0]]), rtol=1e-4)
    wanted = np.asarray([[[10 + 2.8 * 4, 20 + 3.9 * 10], [10 + 4.3 * 4, 20 + 1.6 * 10]]])
    assert_close(points, wanted, rtol=1e-4)


def test_keypoints_of_flat_maps_are_not_moved() -> None:
    flat: Floats = np.zeros((1, 4, 4, 1), np.float32)

    scores, points = compute_all(
        "HEATMAP_MAX_KEYPOINT",
        *(tensor(flat), tensor(np.asarray([[0, 0, 8, 16]], np.float32)), False),
        outputs=[F4, F4],
    )

    assert scores.tolist() == [[0.0]]
    assert points.tolist() == [[[1.0, 2.0]]]


def test_keypoints_at_a_border_mirror_it() -> None:
    # The mirrored neighborhood is symmetric, so the peak stays in the middle of the border's cell.
    ridge: Floats = -np.square(np.arange(4, dtype=np.float32))
    maps = (ridge[:, None] + ridge[None, :])[None, :, :, None]

    scores, points = compute_all(
        "HEATMAP_MAX_KEYPOINT",
        *(tensor(maps), tensor(np.asarray([[0, 0, 8, 16]], np.float32)), False),
        outputs=[F4, F4],
    )

    assert scores.tolist() == [[0.0]]
    assert points.tolist() == [[[1.0, 2.0]]]


def test_quantized_keypoints_are_in_eighths() -> None:
    stored = np.round(peak(6, 2.3, 3.4) / 0.25 + 200).clip(0, 255)[None, :, :, None]
    boxes = typed(U2, [[80, 160, 272, 640]], 0.125)

    scores, points = compute_all(
        "HEATMAP_MAX_KEYPOINT", *(typed(U1, stored, 0.25, 200), boxes, False), outputs=[(U1, 0.5, 100), (U2, 0.125, 0)]
    )

    assert abs(int(scores.item()) - 110) <= 1
    wanted = np.asarray([10 + 2.8 * 4, 20 + 3.9 * 10])
    assert_close(points.reshape(2).astype(np.float64) * 0.125, wanted, rtol=0, atol=0.5)
