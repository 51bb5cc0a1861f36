"""Images sampled at the positions of a grid, which a tensor gives."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.planning.layout import NCHW_FROM_NHWC
from nnapi_check.lowering.compositions.bilinear_samples import FramedImages, Position
from nnapi_check.lowering.compositions.element_moves import Cut, cut, reshaped, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_ZEROS_OUTSIDE = 0
"""The padding mode that gives zeros outside the image."""


@lowers("aten.grid_sampler.default", "aten.grid_sampler_2d.default", way="bilinear")
def grid_sample(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of the four neighbors of each position, in an image with zeros around it, times their weights."""
    output = emit.output_spec()
    batch, channels, height, width = emit.spec(emit.input("input")).shape
    images = FramedImages.of(emit, emit.input("input"))
    points = replace(output, shape=(batch, output.shape[2] * output.shape[3], 1))
    across, down = (_position(emit, points, axis, size) for axis, size in enumerate((width, height)))
    found = images.sampled(emit, images.each_first(emit), down, across, points)
    return transposed(emit, reshaped(emit, found, (batch, *output.shape[2:], channels)), NCHW_FROM_NHWC)


def _position(emit: Emitter, points: TensorSpec, axis: int, size: int) -> Position:
    """Where the grid points along an axis of the image: number 0 of each point is x, number 1 is y."""
    given = reshaped(emit, cut(emit, emit.input("grid"), {3: Cut(axis, 1)}), points.shape)
    write = Elementwise(emit, given, points)
    if emit.node.flag("align_corners"):
        place = write.scaled(write.shifted(given, 1.0), (size - 1) / 2)
    else:
        place = write.shifted(write.scaled(write.shifted(given, 1.0), size / 2), -0.5)
    low, high = (-1, size) if emit.node.integer("padding_mode") == _ZEROS_OUTSIDE else (0, size - 1)
    return Position.of(write, place, low, high)
