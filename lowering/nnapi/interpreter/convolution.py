"""CONV_2D and GROUPED_CONV_2D as matrix products of unfolded windows, a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.depthwise import depthwise_sums
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

UNFOLDED_NUMBERS = 1 << 20
"""How many numbers of unfolded windows are in memory at once, unless one row of windows has more."""


@kernel("CONV_2D")
def conv_2d(call: Call) -> Sequence[Array]:
    """Sum of products of each window with each filter, plus bias."""
    implicit = has_implicit_padding(call, count=7)
    fuse = 6 if implicit else 9
    dilations = int_at(call, fuse + 3, 1), int_at(call, fuse + 2, 1)
    return _convolve(call, implicit=implicit, groups=1, fuse=fuse, dilations=dilations)


@kernel("GROUPED_CONV_2D")
def grouped_conv_2d(call: Call) -> Sequence[Array]:
    """The same where each group of filters sees its own group of channels."""
    implicit = has_implicit_padding(call, count=8)
    groups = int_at(call, 6 if implicit else 9)
    return _convolve(call, implicit=implicit, groups=groups, fuse=7 if implicit else 10, dilations=(1, 1))


def _convolve(call: Call, *, implicit: bool, groups: int, fuse: int, dilations: tuple[int, int]) -> Sequence[Array]:
    nchw = bool_at(call, fuse + 1, default=False)
    source, filters = required(call, 0), required(call, 1)
    values = Tensor(source.type, to_nhwc(source.array, nchw=nchw), source.quant)
    count, filter_h, filter_w, depth = filters.array.shape
    window = read_window(
        call, 3, spatial_sizes(values.array), (filter_h, filter_w), implicit=implicit, dilations=dilations
    )
    if groups <= 0 or count % groups or values.array.shape[3] != depth * groups:
        raise ExecutionError(
            f"{values.array.shape[3]} channels in {groups} groups do not fit filters of shape {filters.array.shape}"
        )
    factors = exact_factors(values, filters, channel_axis=0)
    if groups > 1 and depth == 1:
        # One channel a group is a depthwise convolution, whose filter has its channels last.
        sums = depthwise_sums(factors.values, factors.weights[..., 0].transpose(1, 2, 0), window)
    else:
        sums = _grouped_sums(factors.values, factors.weights, window, groups)
    result = finish(sums, values, filters, required(call, 2), call.outputs[0], fuse_code(int_at(call, fuse)))
    return (from_nhwc(result, nchw=nchw),)


def _grouped_sums(values: Numbers, weights: Numbers, window: Window, groups: int) -> Numbers:
    count, depth = weights.shape[0], weights.shape[3]
    sums = np.empty((values.shape[0], window.h.output, window.w.output, count), values.dtype)
    padded = pad(values, window)
    share = count // groups
    for group in range(groups):
        matrix = weights[group * share : (group + 1) * share].reshape(share, -1).T
        channels = padded[..., group * depth : (group + 1) * depth]
        _multiply_windows(channels, matrix, window, sums[..., group * share : (group + 1) * share])
    return sums


def _multiply_windows(padded: Numbers, matrix: Numbers, window: Window, sums: Numbers) -> None:
    """Write the product of every window with ``matrix`` into ``sums``."""
    h, w = window.h, window.w
    if sums.size == 0:
        return
    depth, count = padded.shape[3], matrix.shape[1]
    rows_at_once = max(UNFOLDED_NUMBERS // max(w.output * matrix.shape[0], 1), 1)
    for image, result in zip(padded, sums, strict=True):
        step_y, step_x, step_c = image.strides
        windows = np.lib.stride_tricks.as_strided(
            image,
            (h.output, w.output, h.filter, w.filter, depth),
            (step_y * h.stride, step_x * w.stride, step_y * h.dilation, step_x * w.dilation, step_c),
            writeable=False,
        )
        for row in range(0, h.output, rows_at_once):
            part = windows[row : row + rows_at_once]
            # The reshape copies, unless windows are single cells that already lie in a row.
            products = part.reshape(-1, matrix.shape[0]) @ matrix
            result[row : row + rows_at_once] = products.reshape(part.shape[0], w.output, count)
