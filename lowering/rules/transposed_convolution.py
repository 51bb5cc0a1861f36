"""Transposed convolutions: TRANSPOSE_CONV_2D, for each group, or a convolution whose channels become cells."""

from __future__ import annotations

from nnapi_check.lowering.compositions.convolution_window import (
    channels_of,
    convolve,
    convolve_depthwise,
    image_filter,
    joined_channels,
    kernel_size,
    pair,
)
from nnapi_check.lowering.compositions.depth_slices import Convolve, spread_blocks, spread_joined
from nnapi_check.lowering.compositions.filter_operands import bias_operand, whole_weight
from nnapi_check.lowering.compositions.matrix_product import permuted, reshaped
from nnapi_check.lowering.compositions.transposed_convolution import (
    TransposedWindow,
    cut_to_output,
    spread,
    spread_by_channels,
)
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.rules.convolution import row_of_signal, signal_of_row


def _spread(emit: Emitter, x: OperandId) -> OperandId:
    weight = image_filter(whole_weight(emit))
    return spread(emit, x, weight, bias_operand(emit, weight, x, weight.shape[1]), TransposedWindow.of(emit.node))


@lowers("aten.conv_transpose2d.input", way="operation")
def conv_transpose2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE_CONV_2D."""
    return _spread(emit, emit.input("input"))


@lowers("aten.conv_transpose2d.input", way="unstrided")
def unstrided_conv_transpose2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D, the filter turned around."""
    filters = node.constant("weight").permute(1, 0, 2, 3).flip(2, 3)
    return _gathered(emit, filters, convolve)


@lowers("aten.conv_transpose2d.input", way="unstrided-depthwise")
def unstrided_depthwise_conv_transpose2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D, the filter turned around."""
    weight = node.constant("weight")
    ins, multiplier, *kernel = weight.shape
    return _gathered(emit, weight.reshape(ins * multiplier, 1, *kernel).flip(2, 3), convolve_depthwise)


def _gathered(emit: Emitter, filters: Recipe, kind: Convolve) -> OperandId:
    """What filters [out, in, height, width] gather where those turned around spread without a stride."""
    x = emit.input("input")
    window = TransposedWindow.of(emit.node).gathering(
        kernel_size(filters), pair(emit.node.ints("dilation"), along_height=1)
    )
    return kind(emit, x, filters, bias_operand(emit, filters, x, filters.shape[0]), window)


@lowers("aten.conv_transpose2d.input", way="group-by-group")
def conv_transpose2d_by_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a TRANSPOSE_CONV_2D for each group."""
    x, weight, window = emit.input("input"), node.constant("weight"), TransposedWindow.of(node)
    groups = node.integer("groups")
    ins, outs = weight.shape[0] // groups, weight.shape[1]
    pieces = []
    for group in range(groups):
        part = channels_of(emit, x, group * ins, ins)
        filters = weight.slice(0, group * ins, (group + 1) * ins)
        pieces.append(spread(emit, part, filters, bias_operand(emit, weight, x, outs, group * outs), window))
    return joined_channels(emit, pieces)


@lowers("aten.conv_transpose2d.input", way="blocks")
def conv_transpose2d_by_channels(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D and DEPTH_TO_SPACE."""
    return spread_by_channels(emit, emit.input("input"))


@lowers("aten.conv_transpose2d.input", way="cut-blocks")
def conv_transpose2d_by_cut_channels(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D, DEPTH_TO_SPACE and STRIDED_SLICE."""
    return cut_to_output(emit, spread_by_channels(emit, emit.input("input")))


@lowers("aten.conv_transpose2d.input", way="without-batch")
def unbatched_conv_transpose2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE_CONV_2D of a batch of one, made and unmade around it."""
    x = emit.input("input")
    image = permuted(emit, reshaped(emit, x, (1, *emit.spec(x).shape)), (0, 2, 3, 1))
    return reshaped(emit, permuted(emit, _spread(emit, image), (0, 3, 1, 2)), emit.output_spec().shape)


@lowers("aten.conv_transpose1d.default", way="operation")
def conv_transpose1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE_CONV_2D of an image of height 1."""
    return signal_of_row(emit, _spread(emit, row_of_signal(emit, emit.input("input"))))


@lowers("aten.conv_transpose1d.default", way="without-batch")
def unbatched_conv_transpose1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE_CONV_2D of a batch of one image of height 1."""
    x = emit.input("input")
    signal = reshaped(emit, x, (1, *emit.spec(x).shape))
    made = signal_of_row(emit, _spread(emit, row_of_signal(emit, signal)))
    return reshaped(emit, made, emit.output_spec().shape)


@lowers("aten.conv_transpose3d.input", way="blocks-of-slices")
def conv_transpose3d_by_blocks(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE_CONV_2D whose channels are the slices of a block, and TRANSPOSE."""
    return spread_blocks(emit, emit.input("input"), node.constant("weight"))


@lowers("aten.conv_transpose3d.input", way="joined-slices")
def conv_transpose3d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE_CONV_2D of images with the channels of several slices."""
    return spread_joined(emit, emit.input("input"), node.constant("weight"))
