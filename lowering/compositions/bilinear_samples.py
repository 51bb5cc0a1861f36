"""Bilinear samples of images at computed positions: the four neighbors of each are gathered, and weighted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from math import prod

import numpy as np

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.analyzer.planning.layout import NHWC_FROM_NCHW
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.element_moves import padded, reshaped, transposed
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Inline
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_BORDER = (1, 2)
"""How many zeros stand before and after an axis of the image: a neighbor is at most 2 beyond the last cell."""


@dataclass(frozen=True, slots=True)
class Position:
    """Positions along one axis: the cell before each, from -1 to the size, and how far beyond it, from 0 to 1."""

    cell: OperandId
    beyond: OperandId

    @classmethod
    def of(cls, write: Elementwise, places: OperandId, low: int, high: int) -> Position:
        """Places as they are, those before ``low`` and behind ``high`` as these."""
        # Of a number and nan, Android's reference CPU takes the first, so that every place is one of the image.
        inside = write.of("MINIMUM", write.of("MAXIMUM", write.number(low), places), write.number(high))
        cell = write.of("FLOOR", inside)
        return cls(cell, write.sub(inside, cell))

    def weights(self, emit: Emitter) -> tuple[OperandId, OperandId]:
        """How much the cell before each position counts, and the one behind it."""
        write = Elementwise(emit, self.beyond, emit.spec(self.beyond))
        return write.sub(write.number(1.0), self.beyond), self.beyond


@dataclass(frozen=True, slots=True)
class FramedImages:
    """Images with zeros around each, as a list of cells [images * rows * columns, channels]."""

    cells: OperandId
    count: int
    rows: int
    columns: int

    @classmethod
    def of(cls, emit: Emitter, images: OperandId) -> FramedImages:
        """Images [batch, channels, height, width], by TRANSPOSE, PAD and RESHAPE."""
        framed = padded(emit, transposed(emit, images, NHWC_FROM_NCHW), [(0, 0), _BORDER, _BORDER, (0, 0)])
        count, rows, columns, channels = emit.spec(framed).shape
        return cls(reshaped(emit, framed, (count * rows * columns, channels)), count, rows, columns)

    @property
    def first(self) -> int:
        """The place of cell 0, 0 of the first image, behind its zeros."""
        return _BORDER[0] * self.columns + _BORDER[0]

    def each_first(self, emit: Emitter) -> OperandId:
        """The place of cell 0, 0 of every image, as [images, 1, 1]."""
        numbers = np.arange(self.count, dtype="<f4") * (self.rows * self.columns) + self.first
        return emit.weight(Inline(numbers.astype("<f4").tobytes(), ElementType.FLOAT32, (self.count, 1, 1)))

    def sampled(
        self, emit: Emitter, first: OperandId, down: Position, across: Position, points: TensorSpec
    ) -> OperandId:
        """What stands at positions from the cells ``first`` on, as [count of points, channels].

        ``first``, ``down`` and ``across`` broadcast to the shape of ``points``.
        """
        write = Elementwise(emit, across.cell, points)
        rows = Elementwise(emit, down.cell, emit.spec(down.cell)).scaled(down.cell, self.columns)
        start = write.add(write.add(rows, across.cell), first)
        count = prod(points.shape)
        found = replace(points, shape=(count, emit.spec(self.cells).shape[1]))
        shares = []
        for lower, weight_down in enumerate(down.weights(emit)):
            for right, weight_across in enumerate(across.weights(emit)):
                place = _whole(emit, write.shifted(start, lower * self.columns + right), count)
                neighbors = emit.operation("GATHER", [self.cells, emit.int32(0), place], found)
                weight = reshaped(emit, write.mul(weight_down, weight_across), (count, 1))
                shares.append(Elementwise(emit, self.cells, found).mul(neighbors, weight))
        return reduce(Elementwise(emit, self.cells, found).add, shares)


def _whole(emit: Emitter, places: OperandId, count: int) -> OperandId:
    flat = reshaped(emit, places, (count,))
    return emit.operation("CAST", [flat], TensorSpec(OperandType.TENSOR_INT32, (count,)))
