"""DEPTHWISE_CONV_2D: products accumulated filter cell by filter cell, without unfolding windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, Tensor, kernel
from nnapi_check.lowering.nnapi.interpreter.products import Numbers, exact_factors, finish
from nnapi_check.lowering.nnapi.interpreter.quantization import fuse_code
from nnapi_check.lowering.nnapi.interpreter.windows import (
    Window,
    from_nhwc,
    has_implicit_padding,
    pad,
    read_window,
    spatial_sizes,
    to_nhwc,
)

BLOCK_NUMBERS = 1 << 16
"""How many sums are accumulated at once: few enough to stay in the processor's cache."""


@kernel("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(call: Call) -> Sequence[Array]:
    """Sum of products of each window of one channel with that channel's filters, plus bias."""
    implicit = has_implicit_padding(call, count=8)
    fuse = 7 if implicit else 10
    nchw = bool_at(call, fuse + 1, default=False)
    source, filters = required(call, 0), required(call, 1)
    values = Tensor(source.type, to_nhwc(source.array, nchw=nchw), source.quant)
    sizes = spatial_sizes(values.array)
    first, filter_h, filter_w, count = filters.array.shape
    dilations = int_at(call, fuse + 3, 1), int_at(call, fuse + 2, 1)
    window = read_window(call, 3, sizes, (filter_h, filter_w), implicit=implicit, dilations=dilations)
    multiplier = int_at(call, fuse - 1)
    if first != 1 or multiplier <= 0 or values.array.shape[3] * multiplier != count:
        raise ExecutionError(
            f"{values.array.shape[3]} channels with depth multiplier {multiplier} do not fit "
            f"filters of shape {filters.array.shape}"
        )
    factors = exact_factors(values, filters, channel_axis=3)
    sums = depthwise_sums(factors.values, factors.weights[0], window)
    result = finish(sums, values, filters, required(call, 2), call.outputs[0], fuse_code(int_at(call, fuse)))
    return (from_nhwc(result, nchw=nchw),)


def depthwise_sums(values: Numbers, weights: Numbers, window: Window) -> Numbers:
    """The sums for NHWC ``values`` and filters of shape height, width, channels times multiplier."""
    h, w = window.h, window.w
    batches, channels = values.shape[0], values.shape[3]
    multiplier = weights.shape[2] // max(channels, 1)
    filters = weights.reshape(h.filter, w.filter, 1, channels, multiplier)
    if w.stride == 1:
        # A filter as wide as the output lets NumPy run along whole rows, which is up to twice as fast.
        filters = np.repeat(filters, w.output, axis=2)
    sums = np.zeros((batches, h.output, w.output, channels, multiplier), values.dtype)
    padded = pad(values, window)[..., np.newaxis]
    rows_at_once = max(BLOCK_NUMBERS // max(w.output * weights.shape[2], 1), 1)
    for image, result in zip(padded, sums, strict=True):
        for row in range(0, h.output, rows_at_once):
            block = result[row : row + rows_at_once]
            products = np.empty_like(block)
            for y, x in window.offsets():
                start = row * h.stride + y * h.dilation
                cells = image[start : start + (block.shape[0] - 1) * h.stride + 1 : h.stride, w.taps(x)]
                np.multiply(cells, filters[y, x], out=products)
                block += products
    return sums.reshape(batches, h.output, w.output, weights.shape[2])
