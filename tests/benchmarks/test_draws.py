import pytest
import torch

from benchmarks.draws import DRAWN, Draw, drawn, drawn_with_places

FLOATS = torch.ones(30, 7)


def drawn_floats(draw: Draw) -> torch.Tensor:
    (found,) = drawn(draw, [FLOATS], torch.Generator().manual_seed(3))
    return found


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32, torch.uint8, torch.bool, torch.complex64])
def test_a_draw_keeps_shape_and_element_type(draw: Draw, dtype: torch.dtype) -> None:
    (found,) = drawn(draw, [torch.ones(3, 1, 5, dtype=dtype)], torch.Generator().manual_seed(1))

    assert (found.shape, found.dtype) == ((3, 1, 5), dtype)


def test_finite_draws_hold_zeros_of_both_signs_and_no_infinity() -> None:
    found = drawn_floats(Draw.FINITE)

    zeros = found[found == 0]
    assert bool(found.isfinite().all())
    assert set(zeros.signbit().tolist()) == {True, False}


def test_special_draws_hold_infinities_and_nan_among_plain_numbers() -> None:
    found = torch.cat([drawn(Draw.SPECIAL, [FLOATS], torch.Generator().manual_seed(seed))[0] for seed in range(30)])

    assert bool(found.isnan().any())
    assert set(found[found.isinf()].sign().tolist()) == {1.0, -1.0}
    assert float(found.isfinite().float().mean()) > 0.9


def test_large_draws_hold_finite_numbers_whose_squares_overflow() -> None:
    found = drawn_floats(Draw.LARGE)

    assert bool(found.isfinite().all())
    assert bool((found * found).isinf().any())


def test_places_stay_in_the_range_that_they_have() -> None:
    places = torch.tensor([2, 5, 3])

    (found,) = drawn_with_places(Draw.LARGE, [places], torch.Generator().manual_seed(0))

    assert 2 <= int(found.min()) <= int(found.max()) <= 5
