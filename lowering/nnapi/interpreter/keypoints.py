"""The kernel that finds the highest points of heatmaps, more exactly than by whole positions."""

from __future__ import annotations

import numpy as np

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, required
from nnapi_check.lowering.nnapi.interpreter.box_geometry import require_valid
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import Floats, real_values, store
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at

LARGEST_CORRECTION = 1.5


@kernel("HEATMAP_MAX_KEYPOINT")
def heatmap_max_keypoint(call: Call) -> tuple[Array, ...]:
    """The score and the position, in the image, of the highest point of every heatmap of every box.

    The point between whole positions is the extreme of the quadratic that fits the neighborhood of the largest
    element; neighbors beyond the border are mirrored.
    """
    nchw = bool_at(call, 2)
    array_at(call, 0, 4)
    values = real_values(required(call, 0))
    heatmaps = values if nchw else values.transpose(0, 3, 1, 2)
    array_at(call, 1, 2)
    boxes = real_values(required(call, 1))
    count, keypoints, size, width = heatmaps.shape
    if size != width or size < 2 or boxes.shape != (count, 4):
        raise ExecutionError(f"heatmaps of {size} by {width} for boxes {boxes.shape}, wanted squares of 2 or more")
    require_valid(boxes, "input 1")
    tolerance = np.float32(1e-3 if required(call, 0).type is OperandType.TENSOR_FLOAT16 else 1e-5)
    scores = np.zeros((count, keypoints), np.float32)
    points = np.zeros((count, keypoints, 2), np.float32)
    for index in np.ndindex(count, keypoints):
        y, x = divmod(int(np.argmax(heatmaps[index])), size)
        rows = [_mirrored(y + offset, size) for offset in (-1, 0, 1)]
        columns = [_mirrored(x + offset, size) for offset in (-1, 0, 1)]
        correction, scores[index] = _refined(heatmaps[index][np.ix_(rows, columns)], tolerance)
        relative = (np.asarray([x, y], np.float32) + correction + np.float32(0.5)) / np.float32(size)
        corner, opposite = boxes[index[0], :2], boxes[index[0], 2:]
        points[index] = relative * (opposite - corner) + corner
    return store(scores, call.outputs[0]), store(points, call.outputs[1])


def _mirrored(position: int, size: int) -> int:
    if position < 0:
        return 1
    return size - 2 if position >= size else position


def _refined(grid: Floats, tolerance: np.float32) -> tuple[Floats, np.float32]:
    """Where the quadratic through a 3 by 3 grid is extreme, as (x, y) from its center, and its value there."""
    slope = np.asarray([grid[1, 2] - grid[1, 0], grid[2, 1] - grid[0, 1]], np.float32) / 2
    mixed = (grid[2, 2] - grid[2, 0] - grid[0, 2] + grid[0, 0]) / 4
    along_x = grid[1, 0] - 2 * grid[1, 1] + grid[1, 2]
    along_y = grid[0, 1] - 2 * grid[1, 1] + grid[2, 1]
    determinant = along_x * along_y - mixed * mixed
    if abs(determinant) < tolerance + tolerance * (along_x * along_y):
        return np.zeros(2, np.float32), grid[1, 1]
    correction = np.asarray(
        [mixed * slope[1] - along_y * slope[0], mixed * slope[0] - along_x * slope[1]], np.float32
    ) / np.float32(determinant)
    longest = np.max(np.abs(correction))
    if longest > LARGEST_CORRECTION:
        correction *= np.float32(LARGEST_CORRECTION) / longest
    curvature = np.asarray([[along_x, mixed], [mixed, along_y]], np.float32)
    value = grid[1, 1] + slope @ correction + correction @ curvature @ correction / 2
    return correction, np.float32(value)
