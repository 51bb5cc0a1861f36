"""Convolutions: filters permuted from PyTorch's order, explicit padding, NHWC activations."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.lowering.compositions.convolution_window import (
    NONE,
    Blocks,
    Window,
    convolve,
    convolve_by_groups,
    convolve_depthwise,
    convolve_grouped,
    image_filter,
    padded,
)
from nnapi_check.lowering.compositions.depth_slices import (
    Convolve,
    convolve_along_depth,
    convolve_joined,
    convolve_slices,
    convolve_spread,
    convolve_summed,
)
from nnapi_check.lowering.compositions.filter_operands import bias_operand, whole_weight
from nnapi_check.lowering.compositions.matrix_product import permuted, reshaped
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.rule_table import lowers

QUANTIZED = (
    "quantized.conv2d.new",
    "quantized.conv2d_relu.new",
    "quantized.conv2d.default",
    "quantized.conv2d_relu.default",
)
"""Two-dimensional convolutions whose weights stand in packed parameters."""

QUANTIZED_1D = ("quantized.conv1d.default", "quantized.conv1d_relu.default")
"""The same in one dimension."""


def _convolved(emit: Emitter, x: OperandId, kind: Convolve) -> OperandId:
    """One convolution of an NHWC image by the node's weight, bias and window."""
    weight = image_filter(whole_weight(emit))
    bias = bias_operand(emit, weight, x, weight.shape[0])
    return kind(emit, x, weight, bias, _window(emit.node, weight))


def _window(node: NodeReader, weight: Recipe) -> Window:
    return Window.keeping_size(node, weight) if node.argument("padding") == "same" else Window.of(node)


@lowers(*QUANTIZED, way="regular-per-channel")
@lowers("aten.conv2d.default", "aten.conv2d.padding", *QUANTIZED, way="regular")
def conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D."""
    return _convolved(emit, emit.input("input"), convolve)


@lowers(*QUANTIZED, way="depthwise-per-channel")
@lowers("aten.conv2d.default", "aten.conv2d.padding", *QUANTIZED, way="depthwise")
def depthwise_conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D."""
    return _convolved(emit, emit.input("input"), convolve_depthwise)


@lowers(*QUANTIZED, way="grouped-per-channel")
@lowers("aten.conv2d.default", "aten.conv2d.padding", *QUANTIZED, way="grouped")
def grouped_conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GROUPED_CONV_2D."""
    return _convolved(emit, emit.input("input"), convolve_grouped)


@lowers("aten.conv2d.default", *QUANTIZED, way="padded")
def padded_conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PAD and CONV_2D without padding."""
    weight, window = whole_weight(emit), Window.of(node)
    x = padded(emit, emit.input("input"), window.padding)
    return convolve(emit, x, weight, bias_operand(emit, weight, x, weight.shape[0]), replace(window, padding=NONE))


@lowers("aten.conv2d.default", "aten.conv2d.padding", *QUANTIZED, way="by-blocks")
def dilated_conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of interleaved images."""
    return _by_blocks(emit, emit.input("input"), convolve)


@lowers("aten.conv2d.default", "aten.conv2d.padding", *QUANTIZED, way="depthwise-by-blocks")
def dilated_depthwise_conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D of interleaved images."""
    return _by_blocks(emit, emit.input("input"), convolve_depthwise)


def _by_blocks(emit: Emitter, x: OperandId, kind: Convolve) -> OperandId:
    weight = image_filter(whole_weight(emit))
    window = _window(emit.node, weight)
    bias = bias_operand(emit, weight, x, weight.shape[0])
    blocks = Blocks.of(emit, x, weight, window)
    return blocks.joined(emit, kind(emit, blocks.x, weight, bias, blocks.window), window.dilation)


@lowers("aten.conv2d.default", "aten.conv2d.padding", *QUANTIZED, way="group-by-group")
def conv2d_by_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a CONV_2D for each group."""
    weight = whole_weight(emit)
    return convolve_by_groups(emit, emit.input("input"), weight, _window(node, weight))


@lowers("aten.conv2d.default", "aten.conv2d.padding", way="without-batch")
def unbatched_conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of a batch of one, made and unmade around it."""
    x = emit.input("input")
    image = permuted(emit, reshaped(emit, x, (1, *emit.spec(x).shape)), (0, 2, 3, 1))
    made = permuted(emit, _convolved(emit, image, convolve), (0, 3, 1, 2))
    return reshaped(emit, made, emit.output_spec().shape)


def row_of_signal(emit: Emitter, x: OperandId) -> OperandId:
    """A signal [batch, channels, length] as an NHWC image of height 1."""
    batch, channels, length = emit.spec(x).shape
    return reshaped(emit, permuted(emit, x, (0, 2, 1)), (batch, 1, length, channels))


def signal_of_row(emit: Emitter, image: OperandId) -> OperandId:
    """An NHWC image of height 1 as a signal [batch, channels, length]."""
    batch, _, length, channels = emit.spec(image).shape
    return permuted(emit, reshaped(emit, image, (batch, length, channels)), (0, 2, 1))


@lowers(*QUANTIZED_1D, way="regular-per-channel")
@lowers("aten.conv1d.default", "aten.conv1d.padding", *QUANTIZED_1D, way="regular")
def conv1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of an image of height 1."""
    return signal_of_row(emit, _convolved(emit, row_of_signal(emit, emit.input("input")), convolve))


@lowers("aten.conv1d.default", "aten.conv1d.padding", way="without-batch")
def unbatched_conv1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of a batch of one image of height 1."""
    x = emit.input("input")
    signal = reshaped(emit, x, (1, *emit.spec(x).shape))
    made = signal_of_row(emit, _convolved(emit, row_of_signal(emit, signal), convolve))
    return reshaped(emit, made, emit.output_spec().shape)


@lowers(*QUANTIZED_1D, way="depthwise-per-channel")
@lowers("aten.conv1d.default", "aten.conv1d.padding", *QUANTIZED_1D, way="depthwise")
def depthwise_conv1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D of an image of height 1."""
    return signal_of_row(emit, _convolved(emit, row_of_signal(emit, emit.input("input")), convolve_depthwise))


@lowers(*QUANTIZED_1D, way="grouped-per-channel")
@lowers("aten.conv1d.default", "aten.conv1d.padding", *QUANTIZED_1D, way="grouped")
def grouped_conv1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GROUPED_CONV_2D of an image of height 1."""
    return signal_of_row(emit, _convolved(emit, row_of_signal(emit, emit.input("input")), convolve_grouped))


@lowers("aten.conv1d.default", way="padded")
def padded_conv1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PAD and CONV_2D of an image of height 1."""
    weight, window = image_filter(node.constant("weight")), Window.of(node)
    x = padded(emit, row_of_signal(emit, emit.input("input")), window.padding)
    bias = bias_operand(emit, weight, x, weight.shape[0])
    return signal_of_row(emit, convolve(emit, x, weight, bias, replace(window, padding=NONE)))


@lowers("aten.conv1d.default", "aten.conv1d.padding", way="by-blocks")
def dilated_conv1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of interleaved images of height 1."""
    return signal_of_row(emit, _by_blocks(emit, row_of_signal(emit, emit.input("input")), convolve))


@lowers("aten.conv1d.default", "aten.conv1d.padding", way="group-by-group")
def conv1d_by_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a CONV_2D of an image of height 1 for each group."""
    row, weight = row_of_signal(emit, emit.input("input")), image_filter(node.constant("weight"))
    return signal_of_row(emit, convolve_by_groups(emit, row, weight, _window(node, weight)))


_VOLUMES = ("aten.conv3d.default", "aten.conv3d.padding")


@lowers("aten.conv3d.default", way="along-depth")
def conv3d_along_depth(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of a tall image."""
    return convolve_along_depth(emit, emit.input("input"), node.constant("weight"), convolve)


@lowers("aten.conv3d.default", way="depthwise-along-depth")
def depthwise_conv3d_along_depth(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D of a tall image."""
    return convolve_along_depth(emit, emit.input("input"), node.constant("weight"), convolve_depthwise)


@lowers("aten.conv3d.default", way="slice-by-slice")
def conv3d_by_slices(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of a batch of images."""
    return convolve_slices(emit, emit.input("input"), node.constant("weight"), convolve)


@lowers("aten.conv3d.default", way="depthwise-slice-by-slice")
def depthwise_conv3d_by_slices(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D of a batch of images."""
    return convolve_slices(emit, emit.input("input"), node.constant("weight"), convolve_depthwise)


@lowers(*_VOLUMES, way="joined-slices")
def conv3d_joined(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of images with the channels of several slices."""
    return convolve_joined(emit, emit.input("input"), node.constant("weight"))


@lowers("aten.conv3d.default", way="copied-slices")
def conv3d_copied(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same, with a DEPTHWISE_CONV_2D that copies the slices."""
    return convolve_spread(emit, emit.input("input"), node.constant("weight"))


@lowers(*_VOLUMES, way="depthwise-summed")
def depthwise_conv3d_summed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a DEPTHWISE_CONV_2D for each slice of the filter, and their sum."""
    return convolve_summed(emit, emit.input("input"), node.constant("weight"), convolve_depthwise)


@lowers(*_VOLUMES, way="grouped-summed")
def grouped_conv3d_summed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a GROUPED_CONV_2D for each slice of the filter, and their sum."""
    return convolve_summed(emit, emit.input("input"), node.constant("weight"), convolve_grouped)
