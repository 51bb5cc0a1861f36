"""The windows of PyTorch's pooling ops, in NNAPI's terms."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

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

    def rescaling(self, divisor: int | None) -> npt.NDArray[np.float32]:
        """What turns the mean of each window's real cells into PyTorch's: [1, height, width, 1].

        PyTorch divides by ``divisor``, or without one by the number of cells with padding.
        """
        factors = [
            real_h * real_w / (all_h * all_w if divisor is None else divisor)
            for (real_h, all_h), (real_w, all_w) in product(self.h.spans(), self.w.spans())
        ]
        return np.array(factors, np.float32).reshape(1, self.h.output, self.w.output, 1)
