"""The windows of PyTorch's pooling ops, in NNAPI's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class PoolAxis:
    """Windows along one axis. ``padding`` is on both sides, ``output`` how many windows PyTorch places."""

    size: int
    output: int
    kernel: int
    stride: int
    padding: int

    @property
    def is_moving(self) -> bool:
        """Whether the windows are not the cells themselves."""
        return (self.kernel, self.stride, self.padding) != (1, 1, 0)

    @property
    def after(self) -> int:
        """The padding behind the axis that places as many windows: with ceil_mode more, else at most ``padding``."""
        return max((self.output - 1) * self.stride + self.kernel - self.size - self.padding, 0)

    def without_padding(self) -> PoolAxis:
        """The same windows over an axis that is padded already."""
        return PoolAxis(self.size + 2 * self.padding, self.output, self.kernel, self.stride, 0)

    def spans(self) -> list[tuple[int, int]]:
        """How many real cells, and how many cells with padding on both sides, each window covers."""
        found = []
        for place in range(self.output):
            start = place * self.stride - self.padding
            stop = min(start + self.kernel, self.size + self.padding)
            found.append((min(stop, self.size) - max(start, 0), stop - start))
        return found


@dataclass(frozen=True, slots=True)
class Pooling:
    """Windows over height and width."""

    h: PoolAxis
    w: PoolAxis

    def without_padding(self) -> Pooling:
        """The same windows over an image that is padded already."""
        return Pooling(self.h.without_padding(), self.w.without_padding())

    def scalars(self) -> tuple[int, ...]:
        """Padding left, right, top, bottom, then stride and filter in width and height."""
        h, w = self.h, self.w
        return (w.padding, w.after, h.padding, h.after, w.stride, h.stride, w.kernel, h.kernel)


def rescaling(axes: Sequence[PoolAxis], divisor: int | None) -> npt.NDArray[np.float32]:
    """What turns the mean of each window's real cells into PyTorch's, by the places of the windows along each axis.

    PyTorch divides by ``divisor``, or without one by the number of cells with padding.
    """
    factors = [
        prod(real for real, _ in spans) / (prod(every for _, every in spans) if divisor is None else divisor)
        for spans in product(*(axis.spans() for axis in axes))
    ]
    return np.array(factors, np.float32).reshape([axis.output for axis in axes])
