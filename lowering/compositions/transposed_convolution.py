"""Transposed convolutions of NHWC images, by TRANSPOSE_CONV_2D or by a convolution whose channels become cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnapi_check.lowering.compositions.convolution_window import (
    ONE,
    Pair,
    Window,
    convolve,
    image_filter,
    image_size,
    pair,
    sliced,
)
from nnapi_check.lowering.compositions.filter_operands import filter_operand, product_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe, concatenate, full


@dataclass(frozen=True, slots=True)
class TransposedWindow:
    """How a filter spreads cells over an image: a number for the height, then one for the width."""

    stride: Pair
    padding: Pair
    output_padding: Pair

    @classmethod
    def of(cls, node: NodeReader) -> TransposedWindow:
        """The window of the node; that of a one-dimensional convolution moves along the width."""
        return cls(
            pair(node.ints("stride"), along_height=1),
            pair(node.ints("padding"), along_height=0),
            pair(node.ints("output_padding"), along_height=0),
        )

    def size(self, image: Pair, kernel: Pair) -> Pair:
        """Height and width of what comes out."""
        h, w = (
            (extent - 1) * stride + reach - 2 * pad + extra
            for extent, reach, stride, pad, extra in zip(
                image, kernel, self.stride, self.padding, self.output_padding, strict=True
            )
        )
        return h, w

    def gathering(self, kernel: Pair, dilation: Pair) -> Window:
        """Without a stride: the window by which a filter turned around gathers the same cells."""
        (near_h, near_w) = (
            step * (reach - 1) - pad for reach, step, pad in zip(kernel, dilation, self.padding, strict=True)
        )
        return Window(ONE, (near_h, near_w), dilation, self.output_padding)


def spread(emit: Emitter, x: OperandId, weight: Recipe, bias: OperandId, window: TransposedWindow) -> OperandId:
    """TRANSPOSE_CONV_2D of an NHWC image by a weight [in, out, height, width].

    Less padding on the far side, even below zero, makes the room that output_padding asks for.
    """
    (pad_h, pad_w), (extra_h, extra_w) = window.padding, window.output_padding
    stride_h, stride_w = window.stride
    numbers = (pad_w, pad_w - extra_w, pad_h, pad_h - extra_h, stride_w, stride_h)
    inputs = [
        x,
        filter_operand(emit, weight.permute(1, 2, 3, 0)),
        bias,
        *(emit.int32(number) for number in numbers),
        emit.fuse(),
        emit.boolean(False),
    ]
    spec = emit.spec(x)
    _, out, *kernel = weight.shape
    h, w = window.size(image_size(spec), (kernel[0], kernel[1]))
    output = replace(product_spec(emit, x), shape=(spec.shape[0], h, w, out))
    return emit.operation("TRANSPOSE_CONV_2D", inputs, output)


def spread_by_channels(emit: Emitter, x: OperandId) -> OperandId:
    """A CONV_2D that computes every cell of a stride by stride block as a channel, and DEPTH_TO_SPACE.

    Output cell ``stride * i + r`` is the sum over m of input cell ``i - m`` times filter cell ``stride * m + r``.
    The blocks hold the whole windows: no padding is cut off.
    """
    block, _ = TransposedWindow.of(emit.node).stride
    weight = image_filter(emit.node.constant("weight"))
    ins, outs, *kernel = weight.shape
    reach_h, reach_w = (-(-size // block) for size in kernel)
    whole = _padded(_padded(weight, 2, reach_h * block), 3, reach_w * block)
    # From [in, out, reach h, block h, reach w, block w] to [block h, block w, out, in, reach h, reach w].
    cells = whole.reshape(ins, outs, reach_h, block, reach_w, block).flip(2, 4).permute(3, 5, 1, 0, 2, 4)
    filters = cells.reshape(block * block * outs, ins, reach_h, reach_w)
    bias = emit.node.constant("bias") if emit.node.has("bias") else full((outs,), 0.0, weight.dtype)
    repeated = emit.weight(concatenate((bias,) * block**2, 0))
    made = convolve(emit, x, filters, repeated, Window(ONE, (reach_h - 1, reach_w - 1), ONE))
    spec = emit.spec(made)
    batch, h, w, _ = spec.shape
    image = replace(spec, shape=(batch, h * block, w * block, outs))
    return emit.operation("DEPTH_TO_SPACE", [made, emit.int32(block)], image)


def cut_to_output(emit: Emitter, image: OperandId) -> OperandId:
    """Whole windows without the padding: what the node gives, by STRIDED_SLICE."""
    (top, left), (batch, h, w, channels) = TransposedWindow.of(emit.node).padding, emit.output_spec().shape
    return sliced(emit, image, (0, top, left, 0), (batch, top + h, left + w, channels))


def _padded(weight: Recipe, axis: int, size: int) -> Recipe:
    """A filter with zeros after its last cell along an axis."""
    if weight.shape[axis] == size:
        return weight
    shape = (*weight.shape[:axis], size - weight.shape[axis], *weight.shape[axis + 1 :])
    return concatenate((weight, full(shape, 0.0, weight.dtype)), axis)
