"""Permutations of many dimensions, taken apart."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.lowering.compositions.element_moves import transpositions

SIZES = (2, 3, 2, 4, 3, 2)


@given(st.integers(1, 6).flatmap(lambda rank: st.permutations(range(rank))))
def test_the_steps_do_what_the_permutation_does(order: list[int]) -> None:
    sizes = SIZES[: len(order)]
    source = torch.arange(int(torch.tensor(sizes).prod())).reshape(sizes)

    moved = source
    for shape, step in transpositions(sizes, order):
        assert len(step) <= 4
        moved = moved.reshape(shape).permute(step)

    assert torch.equal(moved.reshape(-1), source.permute(order).reshape(-1))


def test_four_dimensions_take_one_step() -> None:
    assert list(transpositions((2, 3, 4, 5), (3, 1, 2, 0))) == [((2, 3, 4, 5), (3, 1, 2, 0))]


def test_nothing_is_done_where_the_order_stays() -> None:
    assert list(transpositions((2, 3, 4, 5, 6), (0, 1, 2, 3, 4))) == []


def test_runs_that_stay_together_move_together() -> None:
    assert list(transpositions((2, 3, 4, 5, 6), (3, 4, 0, 1, 2))) == [((1, 24, 30, 1), (0, 2, 1, 3))]
