import math

import pytest
import torch

from benchmarks.agreement import Disagreement, mismatches

WANTED = torch.tensor([[1.0, math.nan, math.inf], [-2.0, 0.0, 5.0]])


def kinds(found: torch.Tensor, wanted: torch.Tensor = WANTED) -> list[Disagreement]:
    return [mismatch.kind for mismatch in mismatches(found, wanted)]


def test_a_tensor_agrees_with_itself() -> None:
    assert kinds(WANTED.clone()) == []


@pytest.mark.parametrize(
    ("place", "element", "kind"),
    [
        ((0, 0), 1.1, Disagreement.FINITE),
        ((0, 0), math.nan, Disagreement.UNDEFINED),
        ((0, 1), 1.0, Disagreement.UNDEFINED),
        ((0, 2), -math.inf, Disagreement.INFINITE),
        ((0, 2), 1.0, Disagreement.INFINITE),
        ((1, 1), -0.0, Disagreement.ZERO_SIGN),
    ],
)
def test_one_other_element_is_told_by_its_kind(place: tuple[int, int], element: float, kind: Disagreement) -> None:
    found = WANTED.clone()
    found[place] = element

    assert kinds(found) == [kind]


def test_errors_are_held_to_the_range_of_the_output() -> None:
    assert kinds(WANTED + 5e-5) == []
    assert kinds(WANTED + 2e-4) == [Disagreement.FINITE]


def test_another_shape_or_type_is_told_first() -> None:
    assert kinds(WANTED.reshape(3, 2)) == [Disagreement.SHAPE]
    assert kinds(WANTED.double()) == [Disagreement.TYPE]


def test_whole_numbers_agree_exactly_or_not_at_all() -> None:
    wanted = torch.tensor([2**24 + 1, 3])

    assert kinds(torch.tensor([2**24, 3]), wanted) == [Disagreement.FINITE]


def test_no_error_is_held_to_the_size_of_what_is_excused() -> None:
    wanted = torch.tensor([1e30, 1.0])
    found = torch.tensor([0.0, 1.1])

    assert list(mismatches(found, wanted, excused=torch.tensor([False, True]))) != []
    assert [off.kind for off in mismatches(found, wanted, excused=torch.tensor([True, False]))] == [Disagreement.FINITE]


def test_excused_steps_of_quantized_numbers_are_left_out_and_no_others() -> None:
    wanted = torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.1, 0, torch.quint8)
    found = torch.quantize_per_tensor(torch.tensor([1.0, 3.0]), 0.1, 0, torch.quint8)

    assert list(mismatches(found, wanted, excused=torch.tensor([False, True]))) == []
    assert [off.kind for off in mismatches(found, wanted, excused=torch.tensor([True, False]))] == [Disagreement.FINITE]
