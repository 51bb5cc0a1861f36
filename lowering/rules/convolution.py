"""Convolutions: filters permuted from PyTorch's order, explicit padding, NHWC activations."""

from __future__ import annotations

from analyzer.graph import Node
from lowering.draft import OperandId
from lowering.emitter import Emitter
from lowering.registry import lowers
from lowering.weights import Recipe, full


def _bias(emit: Emitter, channels: int, like: Recipe) -> OperandId:
    """The node's bias, or zeros where it has none: NNAPI always wants one."""
    if emit.has("bias"):
        return emit.weight(emit.constant("bias"))
    return emit.weight(full((channels,), 0.0, like.dtype))


def _window(emit: Emitter) -> list[OperandId]:
    """Padding left, right, top, bottom, then stride in width and height, each as INT32."""
    pad_h, pad_w = emit.ints("padding")
    stride_h, stride_w = emit.ints("stride")
    return [emit.int32(number) for number in (pad_w, pad_w, pad_h, pad_h, stride_w, stride_h)]


def _dilation(emit: Emitter) -> list[OperandId]:
    """The layout flag (NHWC) and the dilation in width and height; nothing where the default serves."""
    dilation_h, dilation_w = emit.ints("dilation")
    if (dilation_h, dilation_w) == (1, 1):
        return []
    return [emit.boolean(False), emit.int32(dilation_w), emit.int32(dilation_h)]


@lowers("aten.conv2d.default", way="regular")
def conv2d(node: Node, emit: Emitter) -> OperandId:
    """Lower to CONV_2D, its filter as [out, height, width, in]."""
    weight = emit.constant("weight")
    inputs = [
        emit.input("input"),
        emit.weight(weight.permute(0, 2, 3, 1)),
        _bias(emit, weight.shape[0], weight),
        *_window(emit),
        emit.fuse(),
        *_dilation(emit),
    ]
    return emit.operation("CONV_2D", inputs)


@lowers("aten.conv2d.default", way="depthwise")
def depthwise_conv2d(node: Node, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D, its filter as [1, height, width, out]."""
    weight = emit.constant("weight")
    multiplier = weight.shape[0] // emit.integer("groups")
    inputs = [
        emit.input("input"),
        emit.weight(weight.permute(1, 2, 3, 0)),
        _bias(emit, weight.shape[0], weight),
        *_window(emit),
        emit.int32(multiplier),
        emit.fuse(),
        *_dilation(emit),
    ]
    return emit.operation("DEPTHWISE_CONV_2D", inputs)
