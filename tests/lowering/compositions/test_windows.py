"""Padding and divisors of windows against PyTorch's pooling."""

import numpy as np
import torch
import torch.nn.functional as nn
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nnapi_check.lowering.compositions.windows import PoolAxis, Pooling, rescaling


@st.composite
def pool_axes(draw: st.DrawFn) -> PoolAxis:
    """Windows along an axis, placed by PyTorch with or without ceil_mode."""
    size, kernel, stride = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, kernel // 2))
    assume(size + 2 * padding >= kernel)
    line = torch.zeros(1, 1, size)
    output = nn.max_pool1d(line, kernel, stride, padding, ceil_mode=draw(st.booleans())).shape[-1]
    return PoolAxis(size, output, kernel, stride, padding)


@given(pool_axes())
def test_padding_places_as_many_windows_as_pytorch(axis: PoolAxis) -> None:
    assert (axis.size + axis.padding + axis.after - axis.kernel) // axis.stride + 1 == axis.output


@given(pool_axes())
def test_padding_is_smaller_than_the_window(axis: PoolAxis) -> None:
    assert max(axis.padding, axis.after) < axis.kernel


@settings(deadline=None)
@given(h=pool_axes(), w=pool_axes(), divisor=st.none() | st.integers(1, 5))
def test_rescaling_gives_the_divisors_of_pytorch(h: PoolAxis, w: PoolAxis, divisor: int | None) -> None:
    kernel, stride, padding = (h.kernel, w.kernel), (h.stride, w.stride), (h.padding, w.padding)
    ones = torch.ones(1, 1, h.size, w.size)
    for ceil_mode in (False, True):
        wanted = nn.avg_pool2d(ones, kernel, stride, padding, ceil_mode, divisor_override=divisor)
        if wanted.shape[2:] == (h.output, w.output):
            break
    else:
        assume(False)

    found = rescaling([h, w], divisor)

    # The mean of the real cells of an image of ones is one.
    assert np.allclose(found, wanted[0, 0].numpy(), atol=1e-6)


def test_scalars_name_the_width_first() -> None:
    windows = Pooling(h=PoolAxis(7, 4, 3, 2, 1), w=PoolAxis(9, 8, 2, 1, 0))

    assert windows.scalars() == (0, 0, 1, 1, 1, 2, 2, 3)
