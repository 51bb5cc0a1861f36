"""How far a tensor is from PyTorch's."""

import math

import pytest
import torch

from nnapi_check.lowering.verification.approximation import FLOAT_TOLERANCE, STEPS_SHARE_TOLERANCE
from nnapi_check.lowering.verification.comparison import FirstPlaces, compare, first_places, relative_difference


def quantized(numbers: torch.Tensor) -> torch.Tensor:
    return torch._make_per_tensor_quantized_tensor(numbers.to(torch.uint8), 0.5, 10)


def test_equal_tensors_have_no_difference() -> None:
    found = compare(torch.tensor([1.0, -2.0]), torch.tensor([1.0, -2.0]))

    assert found.max_absolute == 0
    assert found.max_relative == 0
    assert found.signal_to_noise == math.inf
    assert found.steps is None
    assert found.is_within_tolerance


def test_difference_is_a_share_of_the_greatest_magnitude() -> None:
    found = compare(torch.tensor([1.0, -3.0]), torch.tensor([1.0, -4.0]))

    assert found.max_absolute == 1
    assert found.max_relative == 0.25
    assert found.signal_to_noise == pytest.approx(10 * math.log10(17))
    assert not found.is_within_tolerance


@pytest.mark.parametrize(("factor", "is_within"), [(0.5, True), (2.0, False)])
def test_float_tolerance_is_a_share_of_the_range(factor: float, is_within: bool) -> None:
    wanted = torch.tensor([1000.0, 1.0], dtype=torch.float64)

    found = compare(wanted + torch.tensor([0.0, factor * FLOAT_TOLERANCE * 1000]), wanted)

    assert found.is_within_tolerance is is_within


@pytest.mark.parametrize(("off", "is_within"), [(1.0, True), (1.5, False)])
def test_numbers_smaller_than_normal_ones_may_be_zero(off: float, is_within: bool) -> None:
    least = torch.finfo(torch.float32).tiny
    wanted = torch.tensor([1e-40, -3e-39, 2e-38])

    found = compare(wanted + torch.tensor([0.0, 0.0, off * least]), wanted)

    assert found.is_within_tolerance is is_within
    assert compare(wanted * torch.tensor([0.0, 0.0, 1.0]), wanted).is_within_tolerance


@pytest.mark.parametrize(
    "found", [torch.zeros(2, 3), torch.zeros(3, 2, dtype=torch.float64), torch.zeros(6)], ids=["shape", "dtype", "rank"]
)
def test_tensor_of_another_form_is_infinitely_far(found: torch.Tensor) -> None:
    numbers = compare(found, torch.zeros(3, 2))

    assert numbers.max_absolute == math.inf
    assert not numbers.is_within_tolerance


def test_same_undefined_and_infinite_numbers_are_equal() -> None:
    strange = torch.tensor([math.nan, math.inf, -math.inf, 1.0])

    assert compare(strange, strange.clone()).is_within_tolerance


@pytest.mark.parametrize(
    ("found", "wanted"), [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0), (math.inf, -math.inf)]
)
def test_other_undefined_and_infinite_numbers_are_far(found: float, wanted: float) -> None:
    assert not compare(torch.tensor([found, 2.0]), torch.tensor([wanted, 2.0])).is_within_tolerance


def test_quantized_tensors_differ_in_steps() -> None:
    wanted = torch.arange(200)
    off = wanted.clone()
    off[3] += 1

    found = compare(quantized(off), quantized(wanted))

    assert found.steps == 1
    assert found.steps_share == pytest.approx(1 / 200)
    assert found.max_absolute == 0.5
    assert found.is_within_tolerance


def test_two_steps_or_too_many_elements_off_are_not_within_tolerance() -> None:
    wanted = torch.arange(200)
    far, many = wanted.clone(), wanted.clone()
    far[3] += 2
    many[: int(200 * STEPS_SHARE_TOLERANCE) + 1] += 1

    assert not compare(quantized(far), quantized(wanted)).is_within_tolerance
    assert not compare(quantized(many), quantized(wanted)).is_within_tolerance


def test_real_numbers_of_a_quantized_tensor_are_counted_in_its_steps() -> None:
    wanted = quantized(torch.arange(200)).dequantize()
    off = wanted.clone()
    off[7] -= 0.5

    found = compare(off, wanted, step=0.5)

    assert found.steps == 1
    assert found.steps_share == pytest.approx(1 / 200)
    assert found.is_within_tolerance
    assert not compare(off, wanted).is_within_tolerance


@pytest.mark.parametrize(
    "empty",
    [
        torch.zeros(0, 3),
        torch.zeros(0, dtype=torch.bool),
        torch.zeros(2, 0, dtype=torch.complex64),
        quantized(torch.zeros(0)),
    ],
    ids=lambda empty: str(empty.dtype),
)
def test_empty_tensors_are_equal(empty: torch.Tensor) -> None:
    assert compare(empty, empty.clone()).is_within_tolerance
    assert compare(empty, empty.clone(), step=0.5).is_within_tolerance


@pytest.mark.parametrize(
    ("found", "wanted"), [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0), (math.inf, -math.inf)]
)
def test_what_is_not_finite_is_infinitely_far_from_anything_else(found: float, wanted: float) -> None:
    numbers = compare(torch.tensor([found, 2.0]), torch.tensor([wanted, 2.0]))

    assert numbers.max_absolute == math.inf
    assert numbers.max_relative == math.inf
    assert not compare(torch.tensor([found, 2.0]), torch.tensor([wanted, 2.0]), step=0.5).is_within_tolerance


@pytest.mark.parametrize(("error", "is_within"), [(1e-9, True), (1e-3, False)])
def test_error_of_a_tensor_that_is_all_zeros_is_its_own_measure(error: float, is_within: bool) -> None:
    numbers = compare(torch.full((3,), error), torch.zeros(3))

    assert numbers.max_relative == numbers.max_absolute == pytest.approx(error)
    assert numbers.is_within_tolerance is is_within


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (torch.tensor([1_000_001, 2]), torch.tensor([1_000_000, 2])),
        (torch.tensor([2**60 + 1]), torch.tensor([2**60])),
        (torch.tensor([True, False]), torch.tensor([True, True])),
        (torch.tensor([3, 0], dtype=torch.uint8), torch.tensor([3, 1], dtype=torch.uint8)),
    ],
)
def test_integers_and_truth_values_are_equal_or_off(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert not compare(found, wanted).is_within_tolerance
    assert compare(wanted, wanted.clone()).is_within_tolerance


def test_imaginary_parts_count() -> None:
    wanted = torch.tensor([3 + 4j, 1j])

    found = compare(wanted + 2j, wanted)

    assert found.max_absolute == 2
    assert found.max_relative == 0.5
    assert compare(wanted, wanted.clone()).max_absolute == 0


def test_nothing_allows_for_another_form() -> None:
    found = compare(torch.zeros(2, 3), torch.zeros(3, 2)).allowing(math.inf)

    assert found.is_another_form
    assert not found.is_within_tolerance


def test_tolerance_grows_by_what_is_allowed() -> None:
    found = compare(torch.tensor([1.0, 100.5]), torch.tensor([1.0, 100.0]))

    assert not found.is_within_tolerance
    assert found.allowing(0.006).is_within_tolerance
    assert not found.allowing(0.004).is_within_tolerance


def test_classes_count_as_pytorch_s_where_they_are_as_great_there() -> None:
    wanted = torch.tensor([[1.0, 3.0, 3.0], [5.0, 2.0, 1.0], [0.0, 0.0, 9.0]])
    found = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 1.0], [0.0, 0.0, 1.0]])

    assert first_places(2, found, wanted, [found, wanted]) == FirstPlaces(2, 3, 2, 6, 5)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 3, 4), (0, 5)])
def test_only_rows_of_classes_have_a_first(shape: tuple[int, ...]) -> None:
    assert first_places(0, torch.zeros(shape), torch.zeros(shape), []) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64, torch.bool])
@pytest.mark.parametrize("special", [None, 0.0, 1e-45, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("scale", [0.0, 1e-40, 1e-6, 1.0, 1e30])
def test_the_relative_difference_is_that_of_a_comparison(
    dtype: torch.dtype, special: float | None, scale: float
) -> None:
    generator = torch.Generator().manual_seed(3)
    wanted = torch.randn(5, 7, generator=generator) * scale
    found = wanted + torch.randn(5, 7, generator=generator) * scale * 1e-3
    if special is not None:
        found[2, 3] = special
        wanted[2, 3], wanted[4, 1] = special, special
    found, wanted = (
        tensor.nan_to_num(0.0, 9.0, -9.0) if not dtype.is_floating_point else tensor for tensor in (found, wanted)
    )

    expected = compare(found.to(dtype), wanted.to(dtype)).max_relative

    assert relative_difference(found.to(dtype), wanted.to(dtype)) == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_tensors_that_ask_for_gradients_are_compared_without() -> None:
    found, wanted = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([1.0, 2.5], requires_grad=True)

    assert relative_difference(found, wanted) == compare(found, wanted).max_relative == 0.2


def test_the_relative_difference_of_another_form_is_infinite() -> None:
    assert relative_difference(torch.zeros(2), torch.zeros(3)) == math.inf
    assert relative_difference(torch.zeros(0), torch.zeros(0)) == 0.0
