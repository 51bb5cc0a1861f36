"""Kernels that bring regions of a feature map to one size: by sampling, and by the largest element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, float_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.box_geometry import require_valid
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import Floats, real_values, round_half_away, store
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at, channels_back, channels_last, integers_at


@dataclass(frozen=True, slots=True)
class Regions:
    """Regions of interest: their boxes in the feature map's coordinates, and the batch each of them lies in."""

    boxes: Floats
    batches: tuple[int, ...]
    out_h: int
    out_w: int


@kernel("ROI_ALIGN")
def roi_align(call: Call) -> tuple[Array, ...]:
    """The mean of bilinear samples in each cell of a grid over each region. Nothing is rounded."""
    nchw = bool_at(call, 9)
    array_at(call, 0, 4)
    values = real_values(required(call, 0))
    features = values.transpose(0, 2, 3, 1) if nchw else values
    regions = _read_regions(call, features.shape)
    samples_h, samples_w = int_at(call, 7), int_at(call, 8)
    if samples_h < 0 or samples_w < 0:
        raise ExecutionError(f"sampling points are {samples_h} by {samples_w}, wanted none below 0")
    _, h, w, depth = features.shape
    result = np.zeros((len(regions.batches), regions.out_h, regions.out_w, depth), np.float32)
    for index, (box, batch) in enumerate(zip(regions.boxes, regions.batches, strict=True)):
        rows = _sampling(float(box[1]), float(box[3]), regions.out_h, samples_h, h)
        columns = _sampling(float(box[0]), float(box[2]), regions.out_w, samples_w, w)
        result[index] = np.einsum("ih,hwc,jw->ijc", rows, features[batch], columns, optimize=True)
    return (channels_back(store(result, call.outputs[0]), nchw=nchw),)


def _sampling(begin: float, end: float, cells: int, samples: int, size: int) -> Floats:
    """How much each position of an axis counts in each cell: bilinear sampling is separable by axis.

    Samples beyond the last position take its value. Without a number of samples there is one per unit of length.
    """
    step = np.float32(max(np.float32(end) - np.float32(begin), np.float32(1))) / np.float32(cells)
    count = samples if samples > 0 else int(np.ceil(step))
    points = np.float32(begin) + step * (np.arange(cells * count, dtype=np.float32) + np.float32(0.5)) / count
    points = np.minimum(points, np.float32(size - 1))
    low = np.floor(points).astype(np.int64)
    fraction = points - low
    weights = np.zeros((cells, size), np.float32)
    cell = np.arange(cells).repeat(count)
    np.add.at(weights, (cell, low), (1 - fraction) / count)
    np.add.at(weights, (cell, np.minimum(low + 1, size - 1)), fraction / count)
    return weights


@kernel("ROI_POOLING")
def roi_pooling(call: Call) -> tuple[Array, ...]:
    """The largest element in each cell of a grid over each region, with borders rounded to whole positions."""
    nchw = bool_at(call, 7)
    features = channels_last(array_at(call, 0, 4), nchw=nchw)
    regions = _read_regions(call, features.shape)
    _, h, w, depth = features.shape
    empty = required(call, 0).quant.zero_point
    shape = (len(regions.batches), regions.out_h, regions.out_w, depth)
    result = np.full(shape, empty, dtype=features.dtype)
    for index, (box, batch) in enumerate(zip(regions.boxes, regions.batches, strict=True)):
        begin_w, begin_h, end_w, end_h = (int(edge) for edge in round_half_away(box))
        rows = _cells(begin_h, end_h, regions.out_h, h)
        columns = _cells(begin_w, end_w, regions.out_w, w)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                window = features[batch, row, column]
                if window.size:
                    result[index, i, j] = np.max(window.reshape(-1, depth), axis=0)
    return (channels_back(result, nchw=nchw),)


def _cells(begin: int, end: int, cells: int, size: int) -> list[slice]:
    """The positions of each cell of a region, whose end is included; they never lie beyond the axis."""
    step = np.float32(max(end - begin + 1, 1)) / np.float32(cells)
    return [
        slice(min(int(np.floor(step * cell + begin)), size), min(int(np.ceil(step * (cell + 1) + begin)), size))
        for cell in range(cells)
    ]


def _read_regions(call: Call, feature_shape: tuple[int, ...]) -> Regions:
    array_at(call, 1, 2)
    boxes = real_values(required(call, 1))
    batches = integers_at(call, 2)
    n, h, w, _ = feature_shape
    out_h, out_w = int_at(call, 3), int_at(call, 4)
    ratio_h, ratio_w = float_at(call, 5), float_at(call, 6)
    if min(out_h, out_w) < 1 or min(ratio_h, ratio_w) <= 0:
        raise ExecutionError(f"output {out_h} by {out_w} and ratios {ratio_h} and {ratio_w} are not all above 0")
    if boxes.shape != (len(batches), 4):
        raise ExecutionError(f"boxes have shape {boxes.shape}, wanted {(len(batches), 4)}")
    if any(not 0 <= batch < n for batch in batches):
        raise ExecutionError(f"batch indices are {batches}, wanted 0 to {n - 1}")
    require_valid(boxes, "input 1")
    scaled: Floats = boxes * np.asarray([1 / ratio_w, 1 / ratio_h] * 2, dtype=np.float32)
    if np.any(scaled < 0) or np.any(scaled[:, 0::2] > w) or np.any(scaled[:, 1::2] > h):
        raise ExecutionError(f"boxes are not all within the feature map of {h} by {w}")
    return Regions(boxes=scaled, batches=batches, out_h=out_h, out_w=out_w)
