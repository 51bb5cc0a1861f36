"""Constants that are added in one shape, against PyTorch's broadcasting in another."""

from math import prod

import torch
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.rewrites.runs.spread_additions import spread_of

WIDE = st.lists(st.sampled_from([1, 2, 3]), min_size=5, max_size=6)


@given(WIDE, st.data())
def test_a_spread_constant_adds_the_same(wide: list[int], data: st.DataObject) -> None:
    constant = [data.draw(st.sampled_from([1, size])) for size in wide][data.draw(st.integers(0, 3)) :]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wide) - 1), max_size=3)))
    narrow = [prod(wide[low:high]) for low, high in zip([0, *cuts], [*cuts, len(wide)], strict=True)]
    x, added = torch.rand(narrow), torch.rand(constant)

    spread = spread_of(constant, wide, narrow)

    assert spread is not None
    aligned = added.reshape([1] * (len(wide) - len(constant)) + constant)
    found = x + aligned.expand(spread.wide).reshape(spread.narrow)
    assert torch.equal(found, (x.reshape(wide) + added).reshape(narrow))


def test_a_dimension_that_is_cut_cannot_be_spread() -> None:
    assert spread_of((4, 1), (4, 9), (6, 6)) is None
