"""Gated recurrent units of every form compute what PyTorch computes, at every level, in so many operations a step."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs

LEVELS = (1, 3, 4, 6, 8)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


class Units(nn.Module):
    """Layers with every output read, from a state that is given, or zeros."""

    def __init__(self, make: Callable[[], nn.GRU]) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.units = make()

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> object:
        return self.units(x, *state)


@settings(max_examples=25)
@given(
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_every_form(
    steps: int, batch: int, layers: int, is_two_way: bool, is_batch_first: bool, has_bias: bool, has_state: bool
) -> None:
    module = Units(lambda: nn.GRU(5, 4, layers, has_bias, is_batch_first, 0.0, is_two_way))
    draws = torch.Generator().manual_seed(steps)
    x = torch.randn((batch, steps, 5) if is_batch_first else (steps, batch, 5), generator=draws)
    state = torch.randn(layers * (2 if is_two_way else 1), batch, 4, generator=draws)

    found = runs(module, [x, state] if has_state else [x], open_registry())

    assert set(LEVELS) <= set(found)
    assert [found[level].differences for level in LEVELS if found[level].differences] == []


def test_an_unbatched_sequence(registry: Registry) -> None:
    module = Units(lambda: nn.GRU(5, 4, 2, bidirectional=True))

    found = runs(module, [torch.randn(6, 5)], registry)

    # A dimension is added before it, by operations of feature level 1.
    assert set(LEVELS) <= set(found)
    assert [found[level].differences for level in LEVELS if found[level].differences] == []


@pytest.mark.parametrize(("level", "operations"), [(3, 11), (1, 17)])
def test_a_step_takes_as_many_operations_as_the_card_says(level: int, operations: int, registry: Registry) -> None:
    counts = [
        len(runs(Units(lambda: nn.GRU(5, 4)), [torch.randn(steps, 2, 5)], registry)[level].lowered.model.operations)
        for steps in (10, 20)
    ]

    assert counts[1] - counts[0] == 10 * operations


def test_no_more_steps_are_unrolled_than_are_said(registry: Registry) -> None:
    two_layers = Units(lambda: nn.GRU(2, 2, 2))

    assert 3 in runs(two_layers, [torch.randn(128, 1, 2)], registry)
    assert runs(two_layers, [torch.randn(129, 1, 2)], registry) == {}
