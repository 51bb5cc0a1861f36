"""Sliding windows: reading padding, strides and dilation of a call, and the sizes that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nnapi_check.coverage_db.spec import OperandType, PaddingCode
from nnapi_check.lowering.nnapi.interpreter.arguments import int_at, optional
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError

Element = TypeVar("Element", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Span:
    """A sliding window along one axis."""

    size: int
    filter: int
    stride: int
    pad_before: int
    pad_after: int
    dilation: int = 1

    @property
    def reach(self) -> int:
        """How many cells the dilated filter spans."""
        return (self.filter - 1) * self.dilation + 1

    @property
    def padded(self) -> int:
        """The number of cells with padding."""
        return self.size + self.pad_before + self.pad_after

    @property
    def output(self) -> int:
        """The number of window positions."""
        return max((self.padded - self.reach) // self.stride + 1, 0)

    def taps(self, offset: int) -> slice:
        """The padded cells that meet filter cell ``offset``, one for each window position."""
        start = offset * self.dilation
        return slice(start, start + (self.output - 1) * self.stride + 1, self.stride)


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window in two dimensions."""

    h: Span
    w: Span

    def offsets(self) -> Iterator[tuple[int, int]]:
        """The filter's cells, row by row."""
        return ((y, x) for y in range(self.h.filter) for x in range(self.w.filter))

    @property
    def is_pointwise(self) -> bool:
        """Whether the filter is one cell and nothing is padded."""
        return self.h.filter == self.w.filter == 1 and self.h.padded == self.h.size and self.w.padded == self.w.size


def has_implicit_padding(call: Call, *, count: int) -> bool:
    """Whether the call uses the signature with a padding code, which has ``count`` inputs and a layout flag next."""
    following = optional(call, count)
    return len(call.inputs) == count or (following is not None and following.type is OperandType.BOOL)


def read_window(
    call: Call,
    first: int,
    sizes: tuple[int, int],
    filters: tuple[int, int],
    *,
    implicit: bool,
    dilations: tuple[int, int] = (1, 1),
) -> Window:
    """Read padding and strides from input ``first`` on. Pairs are height, width."""
    if implicit:
        stride_w, stride_h = int_at(call, first + 1), int_at(call, first + 2)
        code = int_at(call, first)
        pads_h = implicit_padding(code, sizes[0], filters[0], stride_h, dilations[0])
        pads_w = implicit_padding(code, sizes[1], filters[1], stride_w, dilations[1])
    else:
        pads_w = int_at(call, first), int_at(call, first + 1)
        pads_h = int_at(call, first + 2), int_at(call, first + 3)
        stride_w, stride_h = int_at(call, first + 4), int_at(call, first + 5)
    window = Window(
        h=Span(sizes[0], filters[0], stride_h, *pads_h, dilations[0]),
        w=Span(sizes[1], filters[1], stride_w, *pads_w, dilations[1]),
    )
    _check(window)
    return window


def implicit_padding(code: int, size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """The padding before and after one axis that a padding code stands for."""
    if code == PaddingCode.VALID:
        return 0, 0
    if code != PaddingCode.SAME:
        raise ExecutionError(f"the padding code is {code}, wanted 1 (SAME) or 2 (VALID)")
    if stride <= 0:
        raise ExecutionError(f"a stride is {stride}, wanted a positive one")
    reach = (window - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _check(window: Window) -> None:
    for name, span in (("height", window.h), ("width", window.w)):
        if span.stride <= 0 or span.dilation <= 0 or span.filter <= 0:
            raise ExecutionError(f"filter, stride and dilation along the {name} must be positive: {span}")
        if span.pad_before < 0 or span.pad_after < 0:
            raise ExecutionError(f"padding along the {name} must not be negative: {span}")
        # Android's reference executor rejects it too, so a phone may.
        if max(span.pad_before, span.pad_after) >= span.reach:
            raise ExecutionError(f"padding along the {name} must be smaller than the filter: {span}")
        if span.output == 0:
            raise ExecutionError(f"the filter is larger than the padded {name}: {span}")


def spatial_sizes(array: Array) -> tuple[int, int]:
    """Height and width of an NHWC array."""
    if array.ndim != 4:
        raise ExecutionError(f"input 0 has rank {array.ndim}, wanted 4")
    return array.shape[1], array.shape[2]


def to_nhwc(array: Array, *, nchw: bool) -> Array:
    """A view with channels last."""
    return np.moveaxis(array, 1, -1) if nchw and array.ndim == 4 else array


def from_nhwc(array: Array, *, nchw: bool) -> Array:
    """A view in the layout that the call asks for."""
    return np.moveaxis(array, -1, 1) if nchw else array


def pad(array: npt.NDArray[Element], window: Window, value: float = 0) -> npt.NDArray[Element]:
    """An NHWC array with the window's padding filled with ``value``."""
    h, w = window.h, window.w
    if h.padded == h.size and w.padded == w.size:
        return array
    padded = np.full((array.shape[0], h.padded, w.padded, array.shape[3]), value, array.dtype)
    padded[:, h.pad_before : h.pad_before + h.size, w.pad_before : w.pad_before + w.size] = array
    return padded
