"""Quantized convolutions and layers: products of stored integers with a 32-bit bias, or in floats.

Convolutions that multiply stored integers share the rules of ``lowering/rules/convolution.py``.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnapi_check.lowering.compositions.convolution_window import (
    NONE,
    ONE,
    Window,
    convolve,
    convolve_depthwise,
    convolve_grouped,
    image_filter,
)
from nnapi_check.lowering.compositions.depth_slices import Convolve
from nnapi_check.lowering.compositions.filter_operands import bias_operand, filter_operand, rounded_bias, whole_weight
from nnapi_check.lowering.compositions.in_floats import as_floats, dequantized, quantized
from nnapi_check.lowering.compositions.matrix_product import reshaped, row_product
from nnapi_check.lowering.compositions.products_by_scale import channels_at, product_by_scales
from nnapi_check.lowering.compositions.transposed_convolution import TransposedWindow, spread
from nnapi_check.lowering.emission.channel_recipes import divided
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.rules.convolution import QUANTIZED, QUANTIZED_1D, row_of_signal, signal_of_row
from nnapi_check.lowering.rules.transposed_convolution import conv_transpose2d

lowers("quantized.conv_transpose2d.default", way="operation")(conv_transpose2d)
lowers("quantized.conv_transpose2d.default", way="per-channel")(conv_transpose2d)


def _convolved_by_scales(emit: Emitter, image: OperandId) -> OperandId:
    window = Window.of(emit.node)

    def product(filters: Recipe, bias: OperandId, _: Recipe) -> OperandId:
        return convolve(emit, image, filters, bias, window)

    return product_by_scales(emit, image, image_filter(emit.node.constant("weight")), product)


def _convolved_depthwise_by_scales(emit: Emitter, image: OperandId) -> OperandId:
    weight, window = image_filter(emit.node.constant("weight")), Window.of(emit.node)
    repeats = weight.shape[0] // emit.spec(image).shape[3]

    def product(filters: Recipe, bias: OperandId, chosen: Recipe) -> OperandId:
        read = chosen if repeats == 1 else divided(chosen, repeats)
        return convolve_depthwise(emit, channels_at(emit, image, read), filters, bias, window)

    return product_by_scales(emit, image, weight, product)


@lowers(*QUANTIZED, way="regular-in-groups")
def conv2d_in_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a CONV_2D for each group of channels with like scales."""
    return _convolved_by_scales(emit, emit.input("input"))


@lowers(*QUANTIZED, way="depthwise-in-groups")
def depthwise_conv2d_in_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a DEPTHWISE_CONV_2D for each group of channels with like scales."""
    return _convolved_depthwise_by_scales(emit, emit.input("input"))


@lowers(*QUANTIZED_1D, way="regular-in-groups")
def conv1d_in_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a CONV_2D of an image of height 1 for each group of channels with like scales."""
    return signal_of_row(emit, _convolved_by_scales(emit, row_of_signal(emit, emit.input("input"))))


@lowers(*QUANTIZED_1D, way="depthwise-in-groups")
def depthwise_conv1d_in_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a DEPTHWISE_CONV_2D of an image of height 1 for each group of channels with like scales."""
    return signal_of_row(emit, _convolved_depthwise_by_scales(emit, row_of_signal(emit, emit.input("input"))))


@lowers("quantized.conv_transpose2d.default", way="in-groups")
def conv_transpose2d_in_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a TRANSPOSE_CONV_2D for each group of channels with like scales."""
    x, window = emit.input("input"), TransposedWindow.of(node)

    def product(filters: Recipe, bias: OperandId, _: Recipe) -> OperandId:
        return spread(emit, x, filters, bias, window)

    return product_by_scales(emit, x, node.constant("weight"), product)


def _convolved_in_floats(emit: Emitter, image: OperandId, kind: Convolve) -> OperandId:
    weight = emit.node.constant("weight")
    bias = rounded_bias(emit, weight, emit.input("input"))
    return kind(emit, image, image_filter(weight.dequantize()), bias, Window.of(emit.node))


@lowers(*QUANTIZED, way="in-floats")
def conv2d_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of floats."""
    return quantized(emit, _convolved_in_floats(emit, dequantized(emit, emit.input("input")), convolve))


@lowers(*QUANTIZED, way="depthwise-in-floats")
def depthwise_conv2d_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D of floats."""
    return quantized(emit, _convolved_in_floats(emit, dequantized(emit, emit.input("input")), convolve_depthwise))


@lowers(*QUANTIZED, way="grouped-in-floats")
def grouped_conv2d_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GROUPED_CONV_2D of floats."""
    return quantized(emit, _convolved_in_floats(emit, dequantized(emit, emit.input("input")), convolve_grouped))


@lowers(*QUANTIZED_1D, way="in-floats")
def conv1d_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of floats, in an image of height 1."""
    row = row_of_signal(emit, dequantized(emit, emit.input("input")))
    return quantized(emit, signal_of_row(emit, _convolved_in_floats(emit, row, convolve)))


@lowers("quantized.linear.default", "quantized.linear_relu.default", way="fully-connected")
def linear(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED of stored integers."""
    x, weight = emit.input("input"), node.in_feature_order(whole_weight(emit), "input", axis=1)
    bias = bias_operand(emit, weight, x, weight.shape[0])
    return row_product(emit, x, filter_operand(emit, weight), bias, emit.output_spec())


@lowers("quantized.linear.default", "quantized.linear_relu.default", way="per-channel")
def linear_by_cells(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONV_2D of images of one cell, for FULLY_CONNECTED takes one scale only."""
    x, weight = emit.input("input"), node.in_feature_order(node.constant("weight"), "input", axis=1)
    units, width = weight.shape
    cells = reshaped(emit, x, (prod(emit.spec(x).shape) // width, 1, 1, width))
    bias = bias_operand(emit, weight, x, units)
    made = convolve(emit, cells, weight.reshape(units, width, 1, 1), bias, Window(ONE, NONE, ONE))
    return reshaped(emit, made, emit.output_spec().shape)


@lowers("quantized.linear.default", "quantized.linear_relu.default", way="in-groups")
def linear_in_groups(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a FULLY_CONNECTED for each group of units with like scales."""
    x, weight = emit.input("input"), node.in_feature_order(node.constant("weight"), "input", axis=1)
    output = emit.output_spec()
    *rest, _ = output.shape

    def product(filters: Recipe, bias: OperandId, chosen: Recipe) -> OperandId:
        made = replace(output, shape=(*rest, *chosen.shape))
        return row_product(emit, x, filter_operand(emit, filters), bias, made)

    return product_by_scales(emit, x, weight, product)


@lowers("quantized.linear.default", "quantized.linear_relu.default", way="in-floats")
def linear_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED of floats."""
    x, weight = emit.input("input"), emit.node.constant("weight")
    bias = rounded_bias(emit, weight, x)
    factors = dequantized(emit, x), emit.weight(weight.dequantize())
    return quantized(emit, row_product(emit, *factors, bias, as_floats(emit.output_spec())))


@lowers("quantized.linear_dynamic.default", "quantized.linear_relu_dynamic.default", way="in-floats")
@lowers("quantized.linear_dynamic.default", "quantized.linear_relu_dynamic.default", way="in-floats-of-7-bits")
def dynamic_linear(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FULLY_CONNECTED of floats."""
    x = emit.input("input")
    weight = emit.node.constant("weight").dequantize()
    bias = bias_operand(emit, weight, x, weight.shape[0])
    return row_product(emit, x, emit.weight(weight), bias, as_floats(emit.output_spec()))
