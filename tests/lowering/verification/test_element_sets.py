"""Elements compared in place where PyTorch's own change."""

import math
from collections.abc import Callable

import pytest
import torch

from nnapi_check.lowering.verification.compared_set import ROW_TOLERANCE, Held, RowSet
from nnapi_check.lowering.verification.element_sets import element_set

PLACES = torch.tensor([7, 3, 11, 4, 9, 0, 5, 2])
"""Places as top-k tells them: those of the second to fourth, and of the sixth and seventh, are of equal elements."""

TIES = ((1, 2, 3), (5, 6))
DRAWS = 8


def reordered(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = PLACES.clone()
    for tie in TIES:
        found[list(tie)] = PLACES[list(tie)][torch.randperm(len(tie), generator=generator)]
    return found


def compared(found: torch.Tensor) -> RowSet:
    return element_set(found, PLACES, [reordered(seed) for seed in range(DRAWS)])


@pytest.mark.parametrize("seed", range(DRAWS, DRAWS + 10))
def test_equal_elements_may_have_any_order(seed: int) -> None:
    assert compared(reordered(seed)).is_within_tolerance


def test_how_much_is_held_in_which_way_is_counted() -> None:
    assert compared(PLACES).held == Held(exactly=3, among=5, loosely=0)


Plant = Callable[[torch.Tensor], None]


def outside_the_ties(places: torch.Tensor) -> None:
    places[[0, 4]] = places[[4, 0]]


def across_the_ties(places: torch.Tensor) -> None:
    places[[1, 5]] = places[[5, 1]]


def over_the_border_of_a_tie(places: torch.Tensor) -> None:
    places[[3, 4]] = places[[4, 3]]


def another_in_a_tie(places: torch.Tensor) -> None:
    places[2] = 1


def one_twice_in_a_tie(places: torch.Tensor) -> None:
    places[2] = places[3]


def one_off_everywhere(places: torch.Tensor) -> None:
    places += 1


@pytest.mark.parametrize(
    "plant",
    [
        outside_the_ties,
        across_the_ties,
        over_the_border_of_a_tie,
        another_in_a_tie,
        one_twice_in_a_tie,
        one_off_everywhere,
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_fault_among_the_places_of_equal_elements_is_found(plant: Plant, seed: int) -> None:
    found = reordered(seed)
    plant(found)

    rows = compared(found)

    assert not rows.is_within_tolerance
    assert rows.unexplained.lost + rows.unexplained.new > 0


@pytest.mark.parametrize("plant", [another_in_a_tie, one_twice_in_a_tie])
def test_fault_is_found_where_everything_is_tied(plant: Plant) -> None:
    wanted = torch.arange(30)
    own = [torch.randperm(30, generator=torch.Generator().manual_seed(seed)) for seed in range(DRAWS + 1)]
    found = own[-1].clone()
    found[found == 1] = found[2]
    if plant is another_in_a_tie:
        found[0] = 30

    right, wrong = (element_set(each, wanted, own[:-1]) for each in (own[-1], found))

    assert right.held.loosely == 0
    assert right.is_within_tolerance
    assert not wrong.is_within_tolerance


def test_place_that_comes_in_over_the_end_of_a_tie_is_allowed_where_pytorch_s_own_come_so() -> None:
    own = [torch.tensor([5, place]) for place in (1, 2, 3, 1, 2, 3)]

    known, unknown = (element_set(torch.tensor([5, place]), torch.tensor([5, 1]), own) for place in (3, 4))

    assert known.is_within_tolerance
    assert not unknown.is_within_tolerance


def test_labels_that_flip_may_be_either_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(0)
    wanted = torch.zeros(50, dtype=torch.int64)
    wanted[25:] = 1
    own = [torch.where(torch.rand(50, generator=generator) < 0.2, 1 - wanted, wanted) for _ in range(DRAWS)]

    found, garbage = own[0].clone(), own[0].clone()
    garbage[3] = 7

    assert element_set(found, wanted, own).is_within_tolerance
    assert not element_set(garbage, wanted, own).is_within_tolerance


@pytest.mark.parametrize("odd", [1.0, -1.0, math.nan, math.inf])
def test_number_far_from_where_pytorch_s_own_move_is_found(odd: float) -> None:
    generator = torch.Generator().manual_seed(0)
    wanted = torch.ones(40)
    own = [wanted + 0.05 * torch.rand(40, generator=generator) for _ in range(DRAWS)]
    found = wanted + 0.05 * torch.rand(40, generator=generator)
    wrong = found.clone()
    wrong[11] += odd

    near, far = (element_set(each, wanted, own) for each in (found, wrong))

    assert near.is_within_tolerance
    assert near.is_blind
    assert not far.is_within_tolerance


def test_numbers_that_stay_are_held_to_the_tolerance_beside_those_that_move() -> None:
    wanted = torch.ones(10)
    own = [wanted.clone() for _ in range(DRAWS)]
    for index, draw in enumerate(own):
        draw[:3] += 0.05 * index
    found = own[3].clone()
    found[5] += 3 * ROW_TOLERANCE

    assert element_set(own[3], wanted, own).is_within_tolerance
    assert element_set(found, wanted, own).unexplained.lost == 1
    assert not element_set(found, wanted, own).is_within_tolerance


def test_quantized_and_complex_numbers_are_compared_by_what_they_mean() -> None:
    steps = torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.1, 0, torch.quint8)
    turned = torch.tensor([1 + 2j, 3 - 1j])

    for wanted in (steps, turned):
        assert element_set(wanted, wanted, []).is_within_tolerance
    assert element_set(turned.conj().resolve_conj(), turned, []).unexplained.lost == 2
