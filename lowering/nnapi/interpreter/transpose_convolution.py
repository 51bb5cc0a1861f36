"""TRANSPOSE_CONV_2D: every input cell spreads a filter's worth of products over the output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, Tensor, kernel
from nnapi_check.lowering.nnapi.interpreter.products import Numbers, exact_factors, finish
from nnapi_check.lowering.nnapi.interpreter.quantization import fuse_code
from nnapi_check.lowering.nnapi.interpreter.windows import (
    Span,
    Window,
    from_nhwc,
    implicit_padding,
    spatial_sizes,
    to_nhwc,
)


@kernel("TRANSPOSE_CONV_2D")
def transpose_conv_2d(call: Call) -> Sequence[Array]:
    """The gradient of a convolution: strides push the outputs apart, padding is cut off."""
    implicit = len(call.inputs) == 9
    fuse = 7 if implicit else 9
    nchw = bool_at(call, fuse + 1)
    source, filters = required(call, 0), required(call, 1)
    values = Tensor(source.type, to_nhwc(source.array, nchw=nchw), source.quant)
    sizes = spatial_sizes(values.array)
    _, filter_h, filter_w, depth = filters.array.shape
    if depth != values.array.shape[3]:
        raise ExecutionError(f"filters of shape {filters.array.shape} do not fit {values.array.shape[3]} channels")
    window = _read_window(call, sizes, (filter_h, filter_w), implicit=implicit, nchw=nchw)
    factors = exact_factors(values, filters, channel_axis=0)
    sums = _spread(factors.values, factors.weights, window)
    result = finish(sums, values, filters, required(call, 2), call.outputs[0], fuse_code(int_at(call, fuse)))
    return (from_nhwc(result, nchw=nchw),)


def _read_window(call: Call, sizes: tuple[int, int], filters: tuple[int, int], *, implicit: bool, nchw: bool) -> Window:
    if implicit:
        shape = [int(size) for size in required(call, 3).array.reshape(-1).tolist()]
        if len(shape) != 4:
            raise ExecutionError(f"the output shape has {len(shape)} elements, wanted 4")
        code, stride_w, stride_h = int_at(call, 4), int_at(call, 5), int_at(call, 6)
        pads_h = _padding_for(shape[2 if nchw else 1], code, filters[0], stride_h)
        pads_w = _padding_for(shape[3 if nchw else 2], code, filters[1], stride_w)
    else:
        pads_w, pads_h = (int_at(call, 3), int_at(call, 4)), (int_at(call, 5), int_at(call, 6))
        stride_w, stride_h = int_at(call, 7), int_at(call, 8)
    window = Window(h=Span(sizes[0], filters[0], stride_h, *pads_h), w=Span(sizes[1], filters[1], stride_w, *pads_w))
    for span in (window.h, window.w):
        if span.stride <= 0 or span.pad_before < 0 or _spread_size(span) <= 0:
            raise ExecutionError(f"stride, padding and filter leave no output: {span}")
    return window


def _padding_for(output: int, code: int, window: int, stride: int) -> tuple[int, int]:
    """The padding that a code stands for, where the far side makes up for what strides leave over."""
    before, after = implicit_padding(code, output, window, stride)
    if before == after == 0 and code == 1:
        after = (-(-output // stride) - 1) * stride + window - output
    return before, after


def _spread_size(span: Span) -> int:
    return (span.size - 1) * span.stride + span.filter - span.pad_before - span.pad_after


def _spread(values: Numbers, weights: Numbers, window: Window) -> Numbers:
    h, w = window.h, window.w
    out_h, out_w = _spread_size(h), _spread_size(w)
    batches, depth = values.shape[0], values.shape[3]
    # The canvas holds whatever is cut off before, and what a negative padding adds after.
    canvas = np.zeros(
        (
            batches,
            max(out_h + h.pad_before, (h.size - 1) * h.stride + h.filter),
            max(out_w + w.pad_before, (w.size - 1) * w.stride + w.filter),
            weights.shape[0],
        ),
        values.dtype,
    )
    cells = values.reshape(-1, depth)
    for y, x in window.offsets():
        products = (cells @ weights[:, y, x, :].T).reshape(batches, h.size, w.size, weights.shape[0])
        canvas[:, y : y + (h.size - 1) * h.stride + 1 : h.stride, x : x + (w.size - 1) * w.stride + 1 : w.stride] += (
            products
        )
    return np.ascontiguousarray(canvas[:, h.pad_before : h.pad_before + out_h, w.pad_before : w.pad_before + out_w])
