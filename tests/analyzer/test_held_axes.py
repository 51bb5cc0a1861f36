"""How operands hold tensors: against numpy, which permutes and reshapes."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import Node, SourcePosition
from nnapi_check.analyzer.held_axes import are_held_alone, held_axes, held_order, held_shape, merges, takes_axes
from nnapi_check.analyzer.planning.layout import NCHW_FROM_NHWC, NHWC_FROM_NCHW

SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=7)


@given(SHAPES, st.booleans())
def test_every_dimension_is_held_once_in_four_at_most(shape: list[int], channels_last: bool) -> None:
    nhwc = channels_last and len(shape) in (4, 5)

    found = held_shape(shape, nhwc=nhwc)

    assert sorted(held_order(len(shape), nhwc=nhwc)) == list(range(len(shape)))
    assert len(found) == min(len(shape), 4)
    assert prod(found) == prod(shape)


def test_channels_of_images_and_volumes_stand_last() -> None:
    assert held_order(4, nhwc=True) == NHWC_FROM_NCHW
    assert tuple(NHWC_FROM_NCHW[axis] for axis in NCHW_FROM_NHWC) == (0, 1, 2, 3)
    assert held_shape((2, 3, 5, 7, 11), nhwc=True) == (2, 5, 77, 3)
    assert held_shape((2, 3, 5, 7, 11), nhwc=False) == (6, 5, 7, 11)


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=5, max_size=6), st.booleans())
def test_what_merges_broadcasts_in_the_held_form(dims: list[tuple[int, bool]], channels_last: bool) -> None:
    whole = [size for size, _ in dims]
    shape = [size if kept else 1 for size, kept in dims]
    nhwc = channels_last and len(whole) == 5
    order = held_order(len(whole), nhwc=nhwc)
    left, right = np.arange(prod(whole)).reshape(whole), np.arange(prod(shape)).reshape(shape)

    def held(array: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return array.transpose(order).reshape(held_shape(array.shape, nhwc=nhwc))

    if merges(shape, whole, nhwc=nhwc):
        assert np.array_equal(held(left) + held(right), held(left + right))


@given(st.lists(st.integers(1, 3), min_size=5, max_size=6), st.booleans(), st.data())
def test_a_sum_along_what_is_held_alone_is_one_of_the_operand(
    shape: list[int], channels_last: bool, data: st.DataObject
) -> None:
    nhwc = channels_last and len(shape) == 5
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    order, groups = held_order(len(shape), nhwc=nhwc), held_axes(len(shape), nhwc=nhwc)
    array = np.arange(prod(shape)).reshape(shape)
    summed = array.sum(tuple(axes), keepdims=True)

    if are_held_alone(shape, axes, nhwc=nhwc):
        places = tuple(place for place, group in enumerate(groups) if axes & set(group))
        operand = array.transpose(order).reshape(held_shape(shape, nhwc=nhwc))
        wanted = summed.transpose(order).reshape(held_shape(summed.shape, nhwc=nhwc))
        assert np.array_equal(operand.sum(places, keepdims=True), wanted)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 1)), min_size=4, max_size=6), st.booleans())
def test_what_grows_along_held_axes_grows_as_the_tensor_does(dims: list[tuple[int, int]], channels_last: bool) -> None:
    shape, made = [size for size, _ in dims], [size + more for size, more in dims]
    nhwc = channels_last and len(shape) in (4, 5)
    padded = Node(0, "aten.constant_pad_nd.default", {}, (1,), SourcePosition(None, None, ""))
    if not takes_axes(padded, shape, made, nhwc=nhwc):
        return
    groups, order = held_axes(len(shape), nhwc=nhwc), held_order(len(shape), nhwc=nhwc)
    x = np.arange(1, prod(shape) + 1).reshape(shape)
    wanted = np.pad(x, [(0, more) for _, more in dims]).transpose(order).reshape(held_shape(made, nhwc=nhwc))
    held = x.transpose(order).reshape(held_shape(shape, nhwc=nhwc))
    assert (np.pad(held, [(0, max(dims[axis][1] for axis in group)) for group in groups]) == wanted).all()
