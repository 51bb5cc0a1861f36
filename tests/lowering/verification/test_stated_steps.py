"""A quantized value is accepted where its steps are within its op's bound, and no more are off than halves could be."""

import pytest
import torch

from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.lowering.verification.comparison import compare
from nnapi_check.lowering.verification.stated_steps import held_to_steps

ONE_STEP = Bound(steps=1, share=0.001)


def quantized(levels: torch.Tensor) -> torch.Tensor:
    return torch._make_per_tensor_quantized_tensor(levels.to(torch.uint8), 0.1, 3)


@pytest.mark.parametrize(
    ("count", "off", "steps", "is_accepted"),
    [(1000, 500, 1, True), (1000, 1000, 1, False), (1000, 1, 2, False), (2, 2, 1, True), (100, 90, 1, False)],
)
def test_a_step_is_accepted_on_no_more_elements_than_chance_explains(
    count: int, off: int, steps: int, *, is_accepted: bool
) -> None:
    wanted = torch.arange(count) % 200
    found = wanted + steps * (torch.arange(count) < off)

    numbers = held_to_steps(compare(quantized(found), quantized(wanted)), ONE_STEP)

    assert numbers.is_within_tolerance is is_accepted


def test_a_value_whose_op_states_no_steps_is_held_to_what_others_are() -> None:
    wanted = torch.arange(1000) % 200
    found = wanted + (torch.arange(1000) < 500)

    assert not held_to_steps(compare(quantized(found), quantized(wanted)), None).is_within_tolerance


@pytest.mark.parametrize(
    ("deviation", "spread", "is_accepted"),
    [(1.9, 3.0, True), (6.0, 3.0, False), (6.0, 9.0, True), (1.9, 0.5, False)],
)
def test_errors_are_held_to_the_deviation_that_rounded_weights_bring_for_their_input(
    deviation: float, spread: float, *, is_accepted: bool
) -> None:
    bound = Bound(steps=30, deviation=1.5, spread=3.0)
    wanted = torch.full((4000,), 100)
    off = torch.randn(4000, generator=torch.Generator().manual_seed(1)) * deviation

    numbers = held_to_steps(compare(quantized(wanted + off.round()), quantized(wanted)), bound, spread)

    assert numbers.is_within_tolerance is is_accepted


def test_errors_beyond_the_steps_of_the_bound_are_refused_however_rare() -> None:
    wanted = torch.full((4000,), 100)
    found = wanted + 9 * (torch.arange(4000) == 7)

    numbers = held_to_steps(compare(quantized(found), quantized(wanted)), Bound(steps=8, deviation=2.0, spread=1.0))

    assert not numbers.is_within_tolerance
