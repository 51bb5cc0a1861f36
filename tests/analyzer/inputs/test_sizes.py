"""Tests of `sizes`: what a user may write for sizes, and the types of inputs that come of it."""

from __future__ import annotations

import pytest
import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.inputs.sizes import MOST_SIZES, another_size, parse_sizes, resized_call, resized_types
from nnapi_check.analyzer.inputs.taken_shapes import TakenShape, VaryingSize


def types(*shapes: tuple[int, ...]) -> tuple[TensorType, ...]:
    return tuple(TensorType(ElementType.FLOAT32, shape) for shape in shapes)


@pytest.fixture
def taken() -> tuple[TakenShape, ...]:
    """An image of twice ``half`` rows, and a mask with as many."""
    half = torch.export.Dim("half", min=2, max=10)
    program = torch.export.export(
        Masked(), (torch.rand(3, 8), torch.rand(8)), dynamic_shapes={"x": {1: 2 * half}, "y": {0: 2 * half}}
    )
    from nnapi_check.analyzer.files.program_file import module_of
    from nnapi_check.analyzer.files.program_shapes import shapes_kept

    kept = shapes_kept(module_of(program, "it"))
    assert kept is not None
    return tuple(shape for shape in kept.call.leaves() if isinstance(shape, TakenShape))


class Masked(torch.nn.Module):
    """A product of two tensors, of which one has a row."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The product."""
        return x * y


def test_sizes_of_several_dimensions_multiply() -> None:
    assert parse_sizes(["x.2=224,320", "x.3=224"]) == ({"x.2": 224, "x.3": 224}, {"x.2": 320, "x.3": 224})


def test_sizes_that_are_written_together_belong_together() -> None:
    found = parse_sizes(["x.2=480,x.3=640", "x.3=480,x.2=640"])

    assert found == ({"x.2": 480, "x.3": 640}, {"x.2": 640, "x.3": 480})


def test_a_size_that_is_given_twice_counts_once() -> None:
    assert parse_sizes(["x.0=3,3", "x.0=3"]) == ({"x.0": 3},)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["x=3"], "names no sizes"),
        (["x.2=3.5"], "names no sizes"),
        (["x.2=-1"], "names no sizes"),
        (["x.2="], "names no sizes"),
        (["x.2=0"], "0 is no size"),
        (["x.2=99999999999"], "is no size"),
        (["x.2=1", "x.2=2,x.3=3"], "given beside different others"),
        ([f"x.2={','.join(map(str, range(1, MOST_SIZES + 2)))}"], "at most"),
    ],
)
def test_what_is_no_size_is_refused(texts: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_sizes(texts)


def test_sizes_that_hang_on_another_follow_it(taken: tuple[TakenShape, ...]) -> None:
    found = resized_types(("x", "y"), types((3, 8), (8,)), taken, {"x.1": 14})

    assert [kind.shape for kind in found] == [(3, 14), (14,)]


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"x.1": 13}, "of whole numbers"),
        ({"x.1": 14, "y.0": 12}, "y.0 is 12; the program takes 14"),
        ({"x.1": 22}, "the program takes 4 to 20 there"),
        ({"x.0": 4}, "was exported for 3 alone"),
        ({"z.0": 4}, r"has no size z.0; those that vary are x.1 \(4 to 20\), y.0 \(4 to 20\)"),
    ],
)
def test_sizes_that_a_program_does_not_take_are_refused(
    taken: tuple[TakenShape, ...], chosen: dict[str, int], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        resized_types(("x", "y"), types((3, 8), (8,)), taken, chosen)


def test_a_model_of_which_nothing_is_known_takes_any_size() -> None:
    found = resized_types(("xs.0",), types((3, 8)), (), {"xs.0.1": 5})

    assert found[0].shape == (3, 5)


def test_another_size_is_one_that_the_program_takes(taken: tuple[TakenShape, ...]) -> None:
    used = [types((3, 8), (8,))]

    found = another_size(("x", "y"), used[0], taken, used)

    assert found == types((3, 16), (16,))
    assert not isinstance(taken[0].sizes[0], VaryingSize)


def test_tensors_of_other_sizes_have_elements_of_those_given() -> None:
    ids = torch.tensor([[7, 9, 4]])
    kinds = (TensorType(ElementType.INT64, (2, 5)), TensorType(ElementType.FLOAT32, (1, 2)))

    found = resized_call(Call((ids, 3), {"more": [torch.rand(1, 6)]}), kinds)

    assert torch.equal(torch.as_tensor(found.positional[0]), torch.tensor([[7, 9, 4, 7, 9]] * 2))
    assert [tuple(x.shape) for x in found.leaves() if isinstance(x, torch.Tensor)] == [(2, 5), (1, 2)]
    assert found.positional[1] == 3
