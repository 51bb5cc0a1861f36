"""AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import (
    QUANTIZED_TENSORS,
    activate,
    activation_range,
    fuse_code,
    round_half_away,
    store,
    stored_range,
)
from nnapi_check.lowering.nnapi.interpreter.windows import (
    Span,
    Window,
    from_nhwc,
    pad,
    read_window,
    spatial_sizes,
    to_nhwc,
)


@kernel("MAX_POOL_2D")
def max_pool_2d(call: Call) -> Sequence[Array]:
    """The largest value of each window."""
    values, window, fuse = _read(call)
    lowest = -np.inf if values.dtype.kind == "f" else stored_range(required(call, 0).type)[0]
    return _finish(call, _reduce(pad(values, window, lowest), window, np.maximum), fuse)


@kernel("AVERAGE_POOL_2D")
def average_pool_2d(call: Call) -> Sequence[Array]:
    """The mean of each window's real cells: padding does not count."""
    values, window, fuse = _read(call)
    return _finish(call, _mean(values.astype(np.float64), window), fuse)


@kernel("L2_POOL_2D")
def l2_pool_2d(call: Call) -> Sequence[Array]:
    """The root of the mean square of each window's real cells."""
    values, window, fuse = _read(call)
    return _finish(call, np.sqrt(_mean(np.square(values.astype(np.float64)), window)), fuse)


def _read(call: Call) -> tuple[Array, Window, int]:
    implicit = len(call.inputs) <= 8
    fuse = 6 if implicit else 9
    values = to_nhwc(required(call, 0).array, nchw=_is_nchw(call))
    filters = int_at(call, fuse - 1), int_at(call, fuse - 2)
    return values, read_window(call, 1, spatial_sizes(values), filters, implicit=implicit), int_at(call, fuse)


def _is_nchw(call: Call) -> bool:
    return bool_at(call, 7 if len(call.inputs) <= 8 else 10, default=False)


def _reduce(padded: Array, window: Window, combine: np.ufunc) -> Array:
    """Combine the cells of each window, first along the width, then along the height."""
    columns = padded[:, :, window.w.taps(0)].copy()
    for x in range(1, window.w.filter):
        combine(columns, padded[:, :, window.w.taps(x)], out=columns)
    rows = columns[:, window.h.taps(0)].copy()
    for y in range(1, window.h.filter):
        combine(rows, columns[:, window.h.taps(y)], out=rows)
    return rows


def _mean(values: npt.NDArray[np.float64], window: Window) -> npt.NDArray[np.float64]:
    counts = np.multiply.outer(_real_cells(window.h), _real_cells(window.w))
    return _reduce(pad(values, window), window, np.add).astype(np.float64, copy=False) / counts[:, :, np.newaxis]


def _real_cells(span: Span) -> npt.NDArray[np.int64]:
    starts = np.arange(span.output) * span.stride - span.pad_before
    return np.minimum(starts + span.filter, span.size) - np.maximum(starts, 0)


def _finish(call: Call, pooled: Array, fuse: int) -> Sequence[Array]:
    output, code = call.outputs[0], fuse_code(fuse)
    if output.type not in QUANTIZED_TENSORS:
        result = store(activate(pooled.astype(np.float32, copy=False), code), output)
    else:
        # Input and output have one scale and zero point, so stored integers pool as real numbers do.
        low, high = activation_range(code, output)
        whole = pooled if pooled.dtype.kind != "f" else round_half_away(pooled.astype(np.float64, copy=False))
        result = np.clip(whole, low, high).astype(required(call, 0).array.dtype)
    return (from_nhwc(result, nchw=_is_nchw(call)),)
