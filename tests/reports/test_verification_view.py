"""What a report notes beside measured differences."""

import math
from dataclasses import replace

import pytest

from nnapi_check.analyzer.graph import Block, Graph
from nnapi_check.lowering.verification.comparison import FirstPlaces, Numbers
from nnapi_check.lowering.verification.verify import Verification
from nnapi_check.reports.verification_view import verification_view

NUMBERS = Numbers((2, 5), "float32", 0.2, 0.02, 34.0, 1e-4)


def notes_of(numbers: Numbers) -> tuple[str, ...]:
    found = Verification("the host runtime", 3, 1, (numbers,))
    return verification_view(found, Graph("a model", (), Block((), (), ()))).notes


@pytest.mark.parametrize(
    ("tolerance", "words"),
    [
        (
            0.67,
            "Output 0 says little as a whole: rounding and the bounds of ops inside move PyTorch's own by up to 0.67",
        ),
        (math.inf, "Output 0 cannot be compared"),
    ],
)
def test_an_output_that_tells_little_is_noted(tolerance: float, words: str) -> None:
    (note,) = notes_of(replace(NUMBERS, tolerance=tolerance))

    assert note.startswith(words)


@pytest.mark.parametrize("tolerance", [0.0, 1e-4, 0.09])
def test_an_output_that_tells_something_needs_no_note(tolerance: float) -> None:
    assert notes_of(replace(NUMBERS, tolerance=tolerance)) == ()


def test_an_output_without_elements_is_noted() -> None:
    (note,) = notes_of(replace(NUMBERS, shape=(0, 5)))

    assert "no elements" in note


def test_classes_that_rows_put_first_are_told_beside_pytorch_s_own_under_such_steps() -> None:
    found = Verification("the host runtime", 3, 1, (NUMBERS,), firsts=(FirstPlaces(0, 32, 7, 256, 90),))

    (note,) = verification_view(found, Graph("a model", (), Block((), (), ()))).notes

    assert note.startswith(
        "Output 0 puts the class first that PyTorch does in 7 of 32 rows; PyTorch itself, its ops off"
    )
    assert "in 90 of 256. The score tells what runs on NNAPI" in note
