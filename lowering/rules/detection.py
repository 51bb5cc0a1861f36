"""Ops of torchvision's own library that sample images: in boxes, and where the offsets of a filter's cells say."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.analyzer.planning.layout import NCHW_FROM_NHWC
from nnapi_check.lowering.compositions.bilinear_samples import FramedImages, Position
from nnapi_check.lowering.compositions.convolution_window import NONE, ONE, Window, convolve, convolve_by_groups
from nnapi_check.lowering.compositions.element_moves import Cut, cut, joined, reshaped, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise, truth_spec
from nnapi_check.lowering.compositions.filter_operands import bias_operand, whole_weight
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Inline, full
from nnapi_check.lowering.emission.rule_table import lowers


@lowers("torchvision.roi_align.default", way="samples")
def roi_align(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to bilinear samples of each box by GATHER, and AVERAGE_POOL_2D of those of each bin."""
    output, samples = emit.output_spec(), node.integer("sampling_ratio")
    boxes, channels, *bins = output.shape
    images = FramedImages.of(emit, emit.input("input"))
    down, across = (
        _in_boxes(emit, axis, count * samples, size)
        for axis, count, size in zip((1, 0), bins, node.shape_of("input")[2:], strict=True)
    )
    rows, columns = bins[0] * samples, bins[1] * samples
    points = replace(output, shape=(boxes, rows, columns))
    found = images.sampled(emit, _first_of_boxes(emit, images), down, across, points)
    sampled = reshaped(emit, found, (boxes, rows, columns, channels))
    if samples > 1:
        numbers = [*[0] * 4, *[samples] * 4]
        inputs = [sampled, *(emit.int32(number) for number in numbers), emit.fuse()]
        sampled = emit.operation("AVERAGE_POOL_2D", inputs, replace(output, shape=(boxes, *bins, channels)))
    return transposed(emit, sampled, NCHW_FROM_NHWC)


def _in_boxes(emit: Emitter, axis: int, count: int, size: int) -> Position:
    """Where ``count`` samples of each box lie along an axis of the image, 0 for x and 1 for y.

    A box is [image, x1, y1, x2, y2]. Samples up to 1 outside the image are its border, and those beyond it zeros.
    """
    node = emit.node
    boxes = node.shape_of("rois")[0]
    is_aligned = node.flag("aligned")
    column = replace(emit.spec(emit.input("rois")), shape=(boxes, 1))
    of_box = Elementwise(emit, emit.input("rois"), column)

    def edge(place: int) -> OperandId:
        scaled = of_box.scaled(cut(emit, emit.input("rois"), {1: Cut(place, 1)}), node.real("spatial_scale"))
        return of_box.shifted(scaled, -0.5) if is_aligned else scaled

    begin, end = edge(1 + axis), edge(3 + axis)
    length = of_box.sub(end, begin)
    if not is_aligned:
        length = of_box.of("MAXIMUM", length, of_box.number(1.0))

    line = replace(column, shape=(boxes, count))
    of_line = Elementwise(emit, begin, line)
    steps = (np.arange(count, dtype=np.float64) + 0.5) / count
    shares = emit.weight(Inline(steps.astype("<f4").tobytes(), ElementType.FLOAT32, (1, count)))
    places = of_line.add(of_line.mul(length, shares), begin)

    low = emit.operation("GREATER_EQUAL", [places, of_line.number(-1.0)], truth_spec(line))
    high = emit.operation("LESS_EQUAL", [places, of_line.number(size)], truth_spec(line))
    is_near = emit.operation("LOGICAL_AND", [low, high], truth_spec(line))
    border = Position.of(of_line, places, 0, size - 1)
    outside = emit.weight(full(line.shape, size, ElementType.FLOAT32))
    shape = (boxes, count, 1) if axis else (boxes, 1, count)
    return Position(
        reshaped(emit, of_line.of("SELECT", is_near, border.cell, outside), shape),
        reshaped(emit, border.beyond, shape),
    )


def _first_of_boxes(emit: Emitter, images: FramedImages) -> OperandId:
    """The place of cell 0, 0 of the image of each box, which its first number tells."""
    rois = emit.input("rois")
    boxes = emit.spec(rois).shape[0]
    if images.count == 1:
        return emit.number(images.first, rois)
    image = reshaped(emit, cut(emit, rois, {1: Cut(0, 1)}), (boxes, 1, 1))
    write = Elementwise(emit, rois, emit.spec(image))
    # A part of an image is none, to PyTorch.
    return write.shifted(write.scaled(write.of("FLOOR", image), images.rows * images.columns), images.first)


@lowers("torchvision.deform_conv2d.default", way="samples")
def deform_conv2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to bilinear samples of what each cell of the filter meets by GATHER, and CONV_2D of them."""
    weight, output = whole_weight(emit), emit.output_spec()
    batch, channels, *_ = node.shape_of("input")
    kernel, made = weight.shape[2:], output.shape[2:]
    groups, window = node.integer("offset_groups"), Window(ONE, NONE, ONE)
    size = channels // groups
    parts = [_met(emit, Cut(group * size, size), group, kernel) for group in range(groups)]
    patches = reshaped(emit, joined(emit, parts, axis=3), (batch * prod(made), *kernel, channels))
    if node.integer("groups") == 1:
        found = convolve(emit, patches, weight, bias_operand(emit, weight, patches, weight.shape[0]), window)
    else:
        found = convolve_by_groups(emit, patches, weight, window)
    return transposed(emit, reshaped(emit, found, (batch, *made, weight.shape[0])), NCHW_FROM_NHWC)


def _met(emit: Emitter, channels: Cut, group: int, kernel: tuple[int, ...]) -> OperandId:
    """What each cell of the filter meets of the channels of one group of offsets: [batch, place, cell, channel]."""
    node, output = emit.node, emit.output_spec()
    x, (batch, every, *_), made = emit.input("input"), node.shape_of("input"), output.shape[2:]
    cells, spots = prod(kernel), prod(made)
    images = FramedImages.of(emit, x if channels.count == every else cut(emit, x, {1: channels}))
    own = Cut(group * cells, cells)
    down, across = (_moved(emit, axis, own, kernel, made) for axis in (0, 1))
    points = replace(output, shape=(batch, cells, spots))
    found = images.sampled(emit, images.each_first(emit), down, across, points)
    if node.flag("use_mask"):
        masks = reshaped(emit, emit.input("mask"), (batch, node.shape_of("mask")[1], spots))
        mask = reshaped(emit, cut(emit, masks, {1: own}), (batch * cells * spots, 1))
        found = Elementwise(emit, found, emit.spec(found)).mul(found, mask)
    return transposed(emit, reshaped(emit, found, (batch, cells, spots, channels.count)), (0, 2, 1, 3))


def _moved(emit: Emitter, axis: int, own: Cut, kernel: tuple[int, ...], made: tuple[int, ...]) -> Position:
    """Where each cell of the filter lies along an axis of the image, 0 for y, at every place of the output.

    Offsets are [batch, group and cell, y and x, height, width], the first three of which are two dimensions.
    """
    node, offset = emit.node, emit.input("offset")
    batch, both, *_ = node.shape_of("offset")
    cells, spots = prod(kernel), prod(made)
    points = replace(emit.spec(offset), shape=(batch, cells, spots))
    pairs = reshaped(emit, offset, (batch, both // 2, 2, spots))
    offsets = reshaped(emit, cut(emit, pairs, {1: own, 2: Cut(axis, 1)}), points.shape)
    stride, padding, dilation = (node.integer(f"{name}_{'hw'[axis]}") for name in ("stride", "pad", "dilation"))
    of_cell = np.indices(kernel)[axis].reshape(cells, 1) * dilation - padding
    of_spot = np.indices(made)[axis].reshape(1, spots) * stride
    unmoved = (of_cell + of_spot).astype("<f4")
    write = Elementwise(emit, offset, points)
    places = write.add(offsets, emit.weight(Inline(unmoved.tobytes(), ElementType.FLOAT32, (1, cells, spots))))
    return Position.of(write, places, -1, node.shape_of("input")[2 + axis])
