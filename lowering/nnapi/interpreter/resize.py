"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, float_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import (
    QUANTIZED_TENSORS,
    Floats,
    round_half_away,
    saturate,
    store,
)
from nnapi_check.lowering.nnapi.interpreter.windows import from_nhwc, spatial_sizes, to_nhwc


@dataclass(frozen=True, slots=True)
class Sampling:
    """How positions of the output map to positions of the input."""

    align_corners: bool
    half_pixel_centers: bool

    def positions(self, size: int, output: int) -> Floats:
        """For each output cell its place in the input, before rounding and before half a pixel is taken off."""
        corners = self.align_corners and output > 1
        # The reference computes in float32, which decides on which side of a border a place falls.
        scale = np.float32(size - 1) / np.float32(output - 1) if corners else np.float32(size) / np.float32(output)
        cells = np.arange(output, dtype=np.float32)
        return (cells + np.float32(0.5)) * scale if self.half_pixel_centers else cells * scale


@kernel("RESIZE_NEAREST_NEIGHBOR")
def resize_nearest_neighbor(call: Call) -> Sequence[Array]:
    """Each output cell is one input cell."""
    nchw, sampling, values, sizes = _read(call)
    in_h, in_w = spatial_sizes(values)
    rows = _nearest(sampling, in_h, sizes[0])
    columns = _nearest(sampling, in_w, sizes[1])
    return (from_nhwc(values[:, rows][:, :, columns], nchw=nchw),)


@kernel("RESIZE_BILINEAR")
def resize_bilinear(call: Call) -> Sequence[Array]:
    """Each output cell is a weighted mean of up to four input cells."""
    nchw, sampling, values, sizes = _read(call)
    in_h, in_w = spatial_sizes(values)
    mixed = _mix(values.astype(np.float32), sampling, in_h, sizes[0], axis=1)
    mixed = _mix(mixed, sampling, in_w, sizes[1], axis=2)
    output = call.outputs[0]
    if output.type in QUANTIZED_TENSORS:
        # Scale and zero point do not change, and the weights sum to one: stored integers mix as real numbers do.
        return (from_nhwc(saturate(round_half_away(mixed), output.type), nchw=nchw),)
    return (from_nhwc(store(mixed, output), nchw=nchw),)


def _read(call: Call) -> tuple[bool, Sampling, Array, tuple[int, int]]:
    nchw = bool_at(call, 3, default=False)
    sampling = Sampling(bool_at(call, 4, default=False), bool_at(call, 5, default=False))
    if sampling.align_corners and sampling.half_pixel_centers:
        raise ExecutionError("align_corners and half_pixel_centers are both set, which is undefined")
    values = to_nhwc(required(call, 0).array, nchw=nchw)
    in_h, in_w = spatial_sizes(values)
    if required(call, 1).type is OperandType.INT32:
        sizes = int_at(call, 2), int_at(call, 1)
    else:
        sizes = _scaled(in_h, float_at(call, 2)), _scaled(in_w, float_at(call, 1))
    if min(*sizes, in_h, in_w) <= 0:
        raise ExecutionError(f"resizing {in_h} by {in_w} to {sizes[0]} by {sizes[1]} is impossible")
    return nchw, sampling, values, sizes


def _scaled(size: int, scale: float) -> int:
    return int(np.floor(np.float32(size) * np.float32(scale)))


def _nearest(sampling: Sampling, size: int, output: int) -> npt.NDArray[np.intp]:
    places = sampling.positions(size, output)
    cells = round_half_away(places) if sampling.align_corners else np.floor(places)
    return np.clip(cells, 0, size - 1).astype(np.intp)


def _mix(values: Floats, sampling: Sampling, size: int, output: int, *, axis: int) -> Floats:
    places = sampling.positions(size, output) - np.float32(0.5 if sampling.half_pixel_centers else 0)
    lower = np.clip(np.floor(places), 0, size - 1).astype(np.intp)
    upper = np.clip(np.ceil(places), 0, size - 1).astype(np.intp)
    shape = [1] * values.ndim
    shape[axis] = output
    share = (places - lower.astype(np.float32)).reshape(shape)
    mixed: Floats = values.take(lower, axis) * (1 - share) + values.take(upper, axis) * share
    return mixed
