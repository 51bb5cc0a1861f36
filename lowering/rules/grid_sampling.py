"""Images sampled at computed positions: the four neighbors of each are gathered, and weighted by their distance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.analyzer.planning.layout import NCHW_FROM_NHWC, NHWC_FROM_NCHW
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.element_moves import Cut, cut, padded, reshaped, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Inline
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_ZEROS_OUTSIDE = 0
"""The padding mode that gives zeros outside the image."""

_BORDER = (1, 2)
"""How many zeros stand before and after an axis of the image: a neighbor is at most 2 beyond the last cell."""


@dataclass(frozen=True, slots=True)
class _Position:
    """Positions along one axis: the cell before each, and how far beyond it, from 0 to 1."""

    cell: OperandId
    beyond: OperandId


@lowers("aten.grid_sampler.default", "aten.grid_sampler_2d.default", way="bilinear")
def grid_sample(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GATHER of the four neighbors of each position, in an image with zeros around it, times their weights."""
    output = emit.output_spec()
    batch, channels, height, width = emit.spec(emit.input("input")).shape
    image = padded(emit, transposed(emit, emit.input("input"), NHWC_FROM_NCHW), [(0, 0), _BORDER, _BORDER, (0, 0)])
    _, rows, columns, _ = emit.spec(image).shape
    cells = reshaped(emit, image, (batch * rows * columns, channels))

    points = replace(output, shape=(batch, output.shape[2] * output.shape[3], 1))
    x, y = (_position(emit, points, axis, size) for axis, size in enumerate((width, height)))
    write = Elementwise(emit, x.cell, points)
    first = write.add(write.add(write.scaled(y.cell, columns), x.cell), _first_cells(emit, batch, rows, columns))
    weights_x = (write.sub(write.number(1.0), x.beyond), x.beyond)
    weights_y = (write.sub(write.number(1.0), y.beyond), y.beyond)

    count = batch * points.shape[1]
    found = replace(output, shape=(count, channels))
    parts = []
    for down, weight_y in enumerate(weights_y):
        for right, weight_x in enumerate(weights_x):
            place = _whole(emit, write.shifted(first, down * columns + right), count)
            neighbors = emit.operation("GATHER", [cells, emit.int32(0), place], found)
            weight = reshaped(emit, write.mul(weight_y, weight_x), (count, 1))
            parts.append(Elementwise(emit, cells, found).mul(neighbors, weight))
    total = parts[0]
    for part in parts[1:]:
        total = Elementwise(emit, cells, found).add(total, part)
    return transposed(emit, reshaped(emit, total, (batch, *output.shape[2:], channels)), NCHW_FROM_NHWC)


def _position(emit: Emitter, points: TensorSpec, axis: int, size: int) -> _Position:
    """Where the grid points along an axis of the image: number 0 of each point is x, number 1 is y."""
    given = reshaped(emit, cut(emit, emit.input("grid"), {3: Cut(axis, 1)}), points.shape)
    write = Elementwise(emit, given, points)
    if emit.node.flag("align_corners"):
        place = write.scaled(write.shifted(given, 1.0), (size - 1) / 2)
    else:
        place = write.shifted(write.scaled(write.shifted(given, 1.0), size / 2), -0.5)
    low, high = (-1, size) if emit.node.integer("padding_mode") == _ZEROS_OUTSIDE else (0, size - 1)
    # Of a number and nan, Android's reference CPU takes the first, so that every place is one of the image.
    inside = write.of("MINIMUM", write.of("MAXIMUM", write.number(low), place), write.number(high))
    cell = write.of("FLOOR", inside)
    return _Position(cell, write.sub(inside, cell))


def _first_cells(emit: Emitter, batch: int, rows: int, columns: int) -> OperandId:
    """The place of cell 0, 0 of every image, behind its zeros."""
    before = _BORDER[0]
    numbers = np.arange(batch, dtype="<f4") * (rows * columns) + before * columns + before
    return emit.weight(Inline(numbers.astype("<f4").tobytes(), ElementType.FLOAT32, (batch, 1, 1)))


def _whole(emit: Emitter, places: OperandId, count: int) -> OperandId:
    flat = reshaped(emit, places, (count,))
    return emit.operation("CAST", [flat], TensorSpec(OperandType.TENSOR_INT32, (count,)))
