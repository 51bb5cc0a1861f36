"""Output shapes of convolution, pooling, resizing and block operations on images."""

from __future__ import annotations

import math

from nnapi_check.coverage_db.spec import PaddingCode
from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Dimension
from nnapi_check.lowering.nnapi.shapes.patterns import bind
from nnapi_check.lowering.nnapi.shapes.shapes import (
    NOTHING,
    Dims,
    Inferred,
    ShapeCall,
    agree,
    bad_value,
    infers,
    misfit,
    outputs,
    plus,
    text,
    times,
)
from nnapi_check.lowering.nnapi.validation.faults import Problem, Rule

_ANY_IMAGE: Dims = (UNSPECIFIED,) * 4

_CONVOLUTION_FILTERS = {
    "CONV_2D": ("out fh fw in", "out"),
    "DEPTHWISE_CONV_2D": ("1 fh fw out", "out"),
    "GROUPED_CONV_2D": ("out fh fw group_in", "out"),
    "TRANSPOSE_CONV_2D": ("out fh fw in", "out"),
}
"""The shapes of filter and bias."""


@infers("CONV_2D", "DEPTHWISE_CONV_2D", "GROUPED_CONV_2D")
def infer_convolution(call: ShapeCall) -> Inferred:
    """A window over every channel, or over groups of channels."""
    nchw = call.flag("nchw")
    batch, h, w, channels = _image(call, nchw)
    words, bias = _CONVOLUTION_FILTERS[call.kind]
    _, problems = bind(call, {1: words, 2: bias})
    if problems:
        return Inferred(problems=problems)
    filter_dims = call.dims(1) or _ANY_IMAGE
    problems = _channel_problems(call, channels, filter_dims)
    if problems:
        return Inferred(problems=problems)
    out = filter_dims[3] if call.kind == "DEPTHWISE_CONV_2D" else filter_dims[0]
    out_h, problems_h = _window(call, "height", h, filter_dims[1])
    out_w, problems_w = _window(call, "width", w, filter_dims[2])
    if problems_h or problems_w:
        return Inferred(problems=(*problems_h, *problems_w))
    return _pixels(nchw, batch, out_h, out_w, out)


def _channel_problems(call: ShapeCall, channels: Dimension, filter_dims: Dims) -> tuple[Problem, ...]:
    """Whether filter, groups and multiplier fit the number of channels."""
    depth, out = filter_dims[3], filter_dims[0]
    if not isinstance(channels, int):
        return ()
    match call.kind:
        case "DEPTHWISE_CONV_2D":
            multiplier = call.integer("depth_multiplier")
            if multiplier is not None and isinstance(depth, int) and depth != channels * multiplier:
                wanted = f"{channels} input channels times {multiplier} in dimension 3"
                return (Problem(Rule.INPUT_SHAPE, f"filter {text(filter_dims)}", wanted, 1),)
        case "GROUPED_CONV_2D":
            groups = call.integer("num_groups")
            if groups is not None and isinstance(depth, int) and depth * groups != channels:
                wanted = f"{channels} input channels over {groups} groups in dimension 3"
                return (Problem(Rule.INPUT_SHAPE, f"filter {text(filter_dims)}", wanted, 1),)
            if groups is not None and isinstance(out, int) and out % groups:
                return (
                    Problem(Rule.VALUE, f"{groups} groups", f"a divisor of {out} channels", call.roles["num_groups"]),
                )
        case _:
            if isinstance(depth, int) and depth != channels:
                wanted = f"{channels} input channels in dimension 3"
                return (Problem(Rule.INPUT_SHAPE, f"filter {text(filter_dims)}", wanted, 1),)
    return ()


@infers("TRANSPOSE_CONV_2D")
def infer_transpose_convolution(call: ShapeCall) -> Inferred:
    """The image of which a convolution with this filter would give the input."""
    nchw = call.flag("nchw")
    batch, h, w, channels = _image(call, nchw)
    words, bias = _CONVOLUTION_FILTERS[call.kind]
    _, problems = bind(call, {1: words, 2: bias})
    filter_dims = call.dims(1) or _ANY_IMAGE
    problems = problems or _channel_problems(call, channels, filter_dims)
    if problems:
        return Inferred(problems=problems)
    if "output_shape" in call.roles:
        return _transpose_to_shape(call, nchw, (batch, h, w, channels), filter_dims)
    out_h = _transposed(call, "height", h, filter_dims[1])
    out_w = _transposed(call, "width", w, filter_dims[2])
    for side, size in (("height", out_h), ("width", out_w)):
        if isinstance(size, int) and size < 1:
            return misfit(0, f"an output {side} of {size}", "1 or more")
    return _pixels(nchw, batch, out_h, out_w, filter_dims[0])


def _transpose_to_shape(call: ShapeCall, nchw: bool | None, image: Dims, filter_dims: Dims) -> Inferred:
    """The output has the size that is asked for, if a convolution of such an image gives the input."""
    position = call.roles["output_shape"]
    wanted = call.integers(position)
    out = filter_dims[0]
    if wanted is None:
        return _pixels(nchw, image[0], UNSPECIFIED, UNSPECIFIED, out)
    if len(wanted) != 4:
        return bad_value(position, f"{len(wanted)} sizes", "4 sizes")
    if wanted[0] < 0 or min(wanted[1:]) < 1:
        return bad_value(position, text(wanted), "sizes of 1 or more, or an empty batch")
    if nchw is None:
        return NOTHING
    channels, *sides = (wanted[1], wanted[2], wanted[3]) if nchw else (wanted[3], wanted[1], wanted[2])
    if not agree(channels, out) or not agree(wanted[0], image[0]):
        return bad_value(position, text(wanted), f"the input's batch and the filter's {text((out,))} channels")
    for side, asked, size, filter_size in zip(("height", "width"), sides, image[1:3], filter_dims[1:3], strict=True):
        reached = _reached(call, side, asked, size, filter_size)
        if not agree(reached, asked):
            return bad_value(
                position, f"a {side} of {asked}", f"{text((reached,))}, which the input and the filter give"
            )
    return outputs(tuple(wanted))


def _reached(call: ShapeCall, side: str, asked: int, size: Dimension, filter_size: Dimension) -> Dimension:
    """The size that comes out where ``asked`` decides the implicit padding."""
    stride, code = call.integer(f"stride_{side}"), call.integer("padding_code")
    if stride is None or not isinstance(size, int) or not isinstance(filter_size, int):
        return UNSPECIFIED
    if code == PaddingCode.SAME:
        return (size + asked // -stride) * stride + asked
    return (size - 1) * stride + filter_size if code == PaddingCode.VALID else UNSPECIFIED


def _transposed(call: ShapeCall, side: str, size: Dimension, filter_size: Dimension) -> Dimension:
    stride, head, tail = call.integer(f"stride_{side}"), *_pads(call, side)
    if stride is None or head is None or tail is None:
        return UNSPECIFIED
    if not isinstance(size, int) or not isinstance(filter_size, int):
        return UNSPECIFIED
    return (size - 1) * stride + filter_size - head - tail


@infers("AVERAGE_POOL_2D", "L2_POOL_2D", "MAX_POOL_2D")
def infer_pooling(call: ShapeCall) -> Inferred:
    """A window over each channel by itself."""
    nchw = call.flag("nchw")
    batch, h, w, channels = _image(call, nchw)
    out_h, problems_h = _window(call, "height", h, _or_unspecified(call.integer("filter_height")))
    out_w, problems_w = _window(call, "width", w, _or_unspecified(call.integer("filter_width")))
    if problems_h or problems_w:
        return Inferred(problems=(*problems_h, *problems_w))
    return _pixels(nchw, batch, out_h, out_w, channels)


def _window(
    call: ShapeCall, side: str, size: Dimension, filter_size: Dimension
) -> tuple[Dimension, tuple[Problem, ...]]:
    """The size of one side of the output, and what is wrong with window or padding on that side."""
    stride = call.integer(f"stride_{side}")
    dilation = call.integer(f"dilation_{side}") if f"dilation_{side}" in call.roles else 1
    if not isinstance(filter_size, int) or dilation is None:
        return UNSPECIFIED, ()
    reach = (filter_size - 1) * dilation + 1
    head, tail = _pads(call, side)
    for name, pad in zip(_PAD_ROLES[side], (head, tail), strict=True):
        if pad is not None and pad >= reach:
            wanted = f"less than the window's {side} of {reach}"
            return UNSPECIFIED, (Problem(Rule.VALUE, f"padding of {pad}", wanted, call.roles[name]),)
    if stride is None or not isinstance(size, int):
        return UNSPECIFIED, ()
    if "padding_code" in call.roles:
        match call.integer("padding_code"):
            case PaddingCode.SAME:
                return -(-size // stride), ()
            case PaddingCode.VALID:
                head, tail = 0, 0
            case _:
                return UNSPECIFIED, ()
    if head is None or tail is None:
        return UNSPECIFIED, ()
    room = size + head + tail - reach
    if room < 0:
        found = f"a padded {side} of {size + head + tail}"
        return UNSPECIFIED, (Problem(Rule.INPUT_SHAPE, found, f"at least the window's {reach}", 0),)
    return room // stride + 1, ()


_PAD_ROLES = {"height": ("pad_top", "pad_bottom"), "width": ("pad_left", "pad_right")}


def _pads(call: ShapeCall, side: str) -> tuple[int | None, int | None]:
    head, tail = _PAD_ROLES[side]
    return call.integer(head), call.integer(tail)


@infers("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def infer_resize(call: ShapeCall) -> Inferred:
    """An image of the given size, or of the input's size times the given factors, rounded down."""
    if call.flag("align_corners") and call.flag("half_pixel_centers"):
        position = call.roles["half_pixel_centers"]
        return bad_value(position, "both align_corners and half_pixel_centers", "at most one of the two")
    nchw = call.flag("nchw")
    batch, h, w, channels = _image(call, nchw)
    if "output_width" in call.roles:
        out_h = _or_unspecified(call.integer("output_height"))
        out_w = _or_unspecified(call.integer("output_width"))
        return _pixels(nchw, batch, out_h, out_w, channels)
    out_h = _scaled(h, call.number("height_scale"))
    out_w = _scaled(w, call.number("width_scale"))
    for role, size in (("height_scale", out_h), ("width_scale", out_w)):
        if size == 0:
            return bad_value(call.roles[role], f"a scale of {call.number(role)}", "one that leaves at least a pixel")
    return _pixels(nchw, batch, out_h, out_w, channels)


def _scaled(size: Dimension, scale: float | int | None) -> Dimension:
    if scale is None or not isinstance(size, int) or not math.isfinite(scale) or scale <= 0:
        return UNSPECIFIED
    return math.floor(size * scale)


@infers("DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
def infer_depth_and_space(call: ShapeCall) -> Inferred:
    """Channels become blocks of pixels, or blocks become channels."""
    nchw = call.flag("nchw")
    block = call.integer("block_size")
    batch, h, w, channels = _image(call, nchw)
    if block is None or block < 1:
        return _pixels(nchw, batch, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED)
    if call.kind == "DEPTH_TO_SPACE":
        if isinstance(channels, int) and channels % (block * block):
            return misfit(0, f"{channels} channels", f"a multiple of {block * block}")
        depth = channels // (block * block) if isinstance(channels, int) else UNSPECIFIED
        return _pixels(nchw, batch, times(h, block), times(w, block), depth)
    for side in (h, w):
        if isinstance(side, int) and side % block:
            return misfit(0, f"a side of {side}", f"a multiple of the block size {block}")
    return _pixels(nchw, batch, _divided(h, block), _divided(w, block), times(channels, block * block))


@infers("BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND")
def infer_batch_and_space(call: ShapeCall) -> Inferred:
    """Batches become blocks of pixels, or blocks of the padded image become batches."""
    nchw = call.flag("nchw")
    batch, h, w, channels = _image(call, nchw)
    _, problems = bind(call, {1: "2", 2: "2 2"} if call.kind == "SPACE_TO_BATCH_ND" else {1: "2"})
    if problems:
        return Inferred(problems=problems)
    blocks = call.integers(1)
    if blocks is None:
        return _pixels(nchw, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, channels)
    if min(blocks) < 1:
        return bad_value(1, text(blocks), "block sizes of 1 or more")
    area = blocks[0] * blocks[1]
    if call.kind == "BATCH_TO_SPACE_ND":
        if isinstance(batch, int) and batch % area:
            return misfit(0, f"a batch of {batch}", f"a multiple of {area}")
        return _pixels(nchw, _divided(batch, area), times(h, blocks[0]), times(w, blocks[1]), channels)
    pads = call.integers(2)
    if pads is None:
        return _pixels(nchw, times(batch, area), UNSPECIFIED, UNSPECIFIED, channels)
    if min(pads) < 0:
        return bad_value(2, text(pads), "paddings of 0 or more")
    padded = plus(h, pads[0] + pads[1]), plus(w, pads[2] + pads[3])
    for side, block in zip(padded, blocks, strict=True):
        if isinstance(side, int) and side % block:
            return misfit(0, f"a padded side of {side}", f"a multiple of the block size {block}")
    out_h, out_w = (_divided(side, block) for side, block in zip(padded, blocks, strict=True))
    return _pixels(nchw, times(batch, area), out_h, out_w, channels)


def _image(call: ShapeCall, nchw: bool | None) -> Dims:
    """Batch, height, width and channels of input 0, as far as known."""
    dims = call.dims(0)
    if dims is None or len(dims) != 4 or nchw is None:
        return _ANY_IMAGE
    return (dims[0], dims[2], dims[3], dims[1]) if nchw else dims


def _pixels(nchw: bool | None, batch: Dimension, h: Dimension, w: Dimension, channels: Dimension) -> Inferred:
    """One output image in the given layout."""
    if nchw is None:
        return outputs(_ANY_IMAGE)
    return outputs((batch, channels, h, w) if nchw else (batch, h, w, channels))


def _divided(dim: Dimension, divisor: int) -> Dimension:
    return dim // divisor if isinstance(dim, int) else UNSPECIFIED


def _or_unspecified(value: int | None) -> Dimension:
    return UNSPECIFIED if value is None else value
