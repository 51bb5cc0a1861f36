"""Convolutions and poolings of volumes [batch, depth, height * width, channels], as those of images.

A volume is one tall image, of which depth is the height; or a batch of images, one for each slice of the depth. The
slices that one filter reaches are channels of one image, or are met one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nnapi_check.lowering.compositions.convolution_window import NONE, ONE, Pair, Window, convolve, convolve_depthwise
from nnapi_check.lowering.compositions.element_moves import Cut, cut, joined, padded, reshaped, transposed
from nnapi_check.lowering.compositions.filter_operands import bias_operand
from nnapi_check.lowering.compositions.transposed_convolution import TransposedWindow, spread
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe, concatenate, from_call, full

Convolve = Callable[[Emitter, OperandId, Recipe, OperandId, Window], OperandId]


@dataclass(frozen=True, slots=True)
class VolumeWindow:
    """How a filter moves over a volume: along the depth, and over each image of it."""

    depth: Window
    """That of a tall image, whose width it leaves alone."""
    image: Window

    @classmethod
    def of(cls, node: NodeReader, weight: Recipe) -> VolumeWindow:
        """The window of a convolution."""
        stride, dilation, kernel = node.ints("stride"), node.ints("dilation"), weight.shape[2:]
        if node.argument("padding") == "same":
            reach = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
            near, far = tuple(size // 2 for size in reach), tuple(size % 2 for size in reach)
        else:
            near, far = node.ints("padding"), (0, 0, 0)
        return cls(
            Window((stride[0], 1), (near[0], 0), (dilation[0], 1), (far[0], 0)),
            Window(_last_two(stride), _last_two(near), _last_two(dilation), _last_two(far)),
        )

    def slices(self, emit: Emitter, x: OperandId, count: int) -> Iterator[OperandId]:
        """What each of ``count`` cells of a filter along the depth meets, by PAD and STRIDED_SLICE."""
        (near, _), (more, _), (step, _), (apart, _) = (
            self.depth.padding,
            self.depth.far_padding,
            self.depth.stride,
            self.depth.dilation,
        )
        made, _ = self.depth.size(_tall_size(emit, x), (count, 1))
        if near or more:
            x = padded(emit, x, [(0, 0), (near, near + more), (0, 0), (0, 0)])
        depth = emit.spec(x).shape[1]
        for cell in range(count):
            whole = (cell * apart, made, step) == (0, depth, 1)
            yield x if whole else cut(emit, x, {1: Cut(cell * apart, made, step)})

    def is_flat(self, count: int) -> bool:
        """Whether a filter of so many cells along the depth takes each slice of it as it is."""
        return count == 1 and self.depth.stride == ONE and self.depth.padding == self.depth.far_padding == NONE


def _last_two(numbers: tuple[int, ...]) -> Pair:
    _, h, w = numbers
    return h, w


def _tall_size(emit: Emitter, x: OperandId) -> Pair:
    _, depth, pixels, _ = emit.spec(x).shape
    return depth, pixels


def images_of(emit: Emitter, x: OperandId, size: Pair) -> OperandId:
    """A volume as a batch of images of this height and width, one for each slice of the depth."""
    batch, depth, _, channels = emit.spec(x).shape
    return reshaped(emit, x, (batch * depth, *size, channels))


def volume_size(node: NodeReader, name: str) -> Pair:
    """Height and width of a tensor argument [batch, channels, depth, height, width]."""
    *_, h, w = node.type_of(name).shape
    return h, w


def convolve_along_depth(emit: Emitter, x: OperandId, weight: Recipe, kind: Convolve) -> OperandId:
    """A filter that is one pixel wide and high: a convolution of the tall image."""
    window = VolumeWindow.of(emit.node, weight)
    tall = weight.reshape(*weight.shape[:3], 1)
    return kind(emit, x, tall, bias_operand(emit, tall, x, tall.shape[0]), window.depth)


def convolve_slices(emit: Emitter, x: OperandId, weight: Recipe, kind: Convolve) -> OperandId:
    """A filter that is one slice deep: a convolution of each image."""
    window = VolumeWindow.of(emit.node, weight)
    flat = weight.select(2, 0)
    images = images_of(emit, x, volume_size(emit.node, "input"))
    made = kind(emit, images, flat, bias_operand(emit, flat, x, flat.shape[0]), window.image)
    return reshaped(emit, made, emit.output_spec().shape)


def convolve_joined(emit: Emitter, x: OperandId, weight: Recipe) -> OperandId:
    """CONV_2D of images that have the channels of all slices which the filter reaches, one slice after another."""
    outs, ins, count, h, w = weight.shape
    window = VolumeWindow.of(emit.node, weight)
    if window.is_flat(count):
        emit.spare()
    deep = joined(emit, list(window.slices(emit, x, count)), 3)
    wide = weight.permute(0, 2, 1, 3, 4).reshape(outs, count * ins, h, w)
    return _convolve_images(emit, deep, wide, window)


def convolve_spread(emit: Emitter, x: OperandId, weight: Recipe) -> OperandId:
    """The same, where nothing can be cut: a DEPTHWISE_CONV_2D copies the slices to channels, each cell by a one."""
    outs, ins, count, h, w = weight.shape
    window = VolumeWindow.of(emit.node, weight)
    ones = from_call("aten.eye.default", (count,), shape=(count, count), dtype=weight.dtype)
    copies = ones.reshape(1, count, 1, count, 1).expand(ins, count, 1, count, 1).reshape(ins * count, 1, count, 1)
    nothing = emit.weight(full((ins * count,), 0.0, weight.dtype))
    deep = convolve_depthwise(emit, x, copies, nothing, window.depth)
    return _convolve_images(emit, deep, weight.reshape(outs, ins * count, h, w), window)


def _convolve_images(emit: Emitter, deep: OperandId, weight: Recipe, window: VolumeWindow) -> OperandId:
    images = images_of(emit, deep, volume_size(emit.node, "input"))
    made = convolve(emit, images, weight, bias_operand(emit, weight, deep, weight.shape[0]), window.image)
    return reshaped(emit, made, emit.output_spec().shape)


def convolve_summed(emit: Emitter, x: OperandId, weight: Recipe, kind: Convolve) -> OperandId:
    """A convolution of the images for each slice that the filter reaches, and their sum."""
    count = weight.shape[2]
    window = VolumeWindow.of(emit.node, weight)
    if window.is_flat(count):
        emit.spare()
    nothing = emit.weight(full((weight.shape[0],), 0.0, weight.dtype))
    found: list[OperandId] = []
    for cell, piece in enumerate(window.slices(emit, x, count)):
        images, flat = images_of(emit, piece, volume_size(emit.node, "input")), weight.select(2, cell)
        bias = nothing if found else bias_operand(emit, flat, x, flat.shape[0])
        made = kind(emit, images, flat, bias, window.image)
        found = [emit.operation("ADD", [*found, made, emit.fuse()], emit.spec(made))] if found else [made]
    return reshaped(emit, found[0], emit.output_spec().shape)


def spread_blocks(emit: Emitter, x: OperandId, weight: Recipe) -> OperandId:
    """A filter as deep as its stride: TRANSPOSE_CONV_2D makes the slices of a block as channels of one image."""
    ins, outs, count, h, w = weight.shape
    batch, depth, _, _ = emit.spec(x).shape
    wide = weight.permute(0, 2, 1, 3, 4).reshape(ins, count * outs, h, w)
    images = images_of(emit, x, volume_size(emit.node, "input"))
    made = spread(emit, images, wide, _repeated_bias(emit, weight, x, count), _image_window(emit.node))
    _, h, w, _ = emit.spec(made).shape
    blocks = transposed(emit, reshaped(emit, made, (batch * depth, h * w, count, outs)), (0, 2, 1, 3))
    return reshaped(emit, blocks, emit.output_spec().shape)


def spread_joined(emit: Emitter, x: OperandId, weight: Recipe) -> OperandId:
    """Slices apart by the stride with zeros between, and then as a convolution that meets them the other way round.

    TRANSPOSE_CONV_2D of images that have the channels of all slices which the filter reaches.
    """
    ins, outs, count, h, w = weight.shape
    stride, padding, apart = (emit.node.ints(name)[0] for name in ("stride", "padding", "dilation"))
    batch, depth, pixels, _ = emit.spec(x).shape
    if stride > 1:
        single = reshaped(emit, x, (batch * depth, 1, pixels, ins))
        x = reshaped(
            emit, padded(emit, single, [(0, 0), (0, stride - 1), (0, 0), (0, 0)]), (batch, depth * stride, pixels, ins)
        )
    made = emit.output_spec().shape[1]
    near = apart * (count - 1) - padding
    first = max(-near, 0)
    past = first + apart * (count - 1) + made
    before = max(near, 0)
    x = padded(emit, x, [(0, 0), (before, max(past - before - depth * stride, 0)), (0, 0), (0, 0)])
    slices = [cut(emit, x, {1: Cut(first + cell * apart, made)}) for cell in range(count)]
    images = images_of(emit, joined(emit, slices, 3), volume_size(emit.node, "input"))
    wide = weight.flip(2).permute(2, 0, 1, 3, 4).reshape(count * ins, outs, h, w)
    spread_images = spread(emit, images, wide, bias_operand(emit, wide, x, outs), _image_window(emit.node))
    return reshaped(emit, spread_images, emit.output_spec().shape)


def _repeated_bias(emit: Emitter, weight: Recipe, x: OperandId, count: int) -> OperandId:
    if count == 1 or not emit.node.has("bias"):
        return bias_operand(emit, weight, x, count * weight.shape[1])
    return emit.weight(concatenate((emit.node.constant("bias"),) * count, 0))


def _image_window(node: NodeReader) -> TransposedWindow:
    return TransposedWindow(*(_last_two(node.ints(name)) for name in ("stride", "padding", "output_padding")))
