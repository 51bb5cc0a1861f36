"""Rearrangements against PyTorch's own reshapes and permutations."""

from math import prod

import torch
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.rewrites.runs.one_permutation import RearrangementTracker, rearranged


@st.composite
def moved_tensors(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, RearrangementTracker]:
    """A tensor, what random reshapes and permutations make of it, and the tracker that followed them."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4))
    source = torch.arange(prod(shape)).reshape(shape)
    moved, tracker = source, RearrangementTracker(shape)
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            order = draw(st.permutations(range(moved.dim())))
            moved = moved.permute(order)
            tracker.permute(order)
            continue
        wanted = draw(divisions(moved.numel()))
        if tracker.reshape(wanted):
            moved = moved.reshape(wanted)
    return source, moved, tracker


@st.composite
def divisions(draw: st.DrawFn, count: int) -> list[int]:
    """A shape of so many elements."""
    shape = []
    for _ in range(draw(st.integers(0, 5))):
        size = draw(st.sampled_from([size for size in range(1, count + 1) if count % size == 0]))
        shape.append(size)
        count //= size
    return [*shape, count]


@given(moved_tensors())
def test_a_reshape_a_permutation_and_a_reshape_do_the_same(
    moved: tuple[torch.Tensor, torch.Tensor, RearrangementTracker],
) -> None:
    source, wanted, tracker = moved

    found = tracker.found()

    assert torch.equal(source.reshape(found.before).permute(found.order).reshape(found.after), wanted)


@given(moved_tensors())
def test_neighbors_that_stay_neighbors_are_one_dimension(
    moved: tuple[torch.Tensor, torch.Tensor, RearrangementTracker],
) -> None:
    _, _, tracker = moved

    found = tracker.found()

    assert all(second != first + 1 for first, second in zip(found.order, found.order[1:], strict=False))
    assert 1 not in found.before


@given(moved_tensors())
def test_each_place_of_a_dimension_is_found_in_the_source(
    moved: tuple[torch.Tensor, torch.Tensor, RearrangementTracker],
) -> None:
    source, wanted, tracker = moved
    for axis in range(wanted.dim()):
        seen = tracker.alone(axis)
        if seen is None:
            continue

        rest = tracker.without(axis)

        for place in range(seen[1]):
            picked = source.reshape(seen)[:, place]
            assert torch.equal(
                picked.reshape(rest.before).permute(rest.order).reshape(rest.after), wanted.select(axis, place)
            )


def test_a_reshape_through_permuted_dimensions_is_refused() -> None:
    steps = (("permute", (1, 0)), ("reshape", (2, 3)))

    assert rearranged((2, 3), steps) is None


def test_a_refused_reshape_changes_nothing() -> None:
    tracker = RearrangementTracker((4, 9))
    tracker.permute((1, 0))
    before = tracker.found()

    assert not tracker.reshape((2, 2, 9, 1))

    assert tracker.found() == before
