"""Arguments of the same shapes with other elements."""

from __future__ import annotations

import pytest
import torch

from nnapi_check.analyzer.inputs.other_elements import halved, other_inputs, turned, zeroed

FLOATS = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
PLACES = torch.tensor([[1, 2], [3, 4]])
LEAVES = {
    "floats": FLOATS,
    "a number": torch.tensor(2.5),
    "places": PLACES,
    "a place": torch.tensor(3),
    "a truth value": torch.tensor(True),
    "none": torch.zeros(0, 3),
    "a Python number": 7,
    "a text": "text",
    "quantized": torch.quantize_per_tensor(torch.rand(3), 0.1, 3, torch.quint8),
}


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_every_leaf_keeps_its_shape_and_type(leaf: object) -> None:
    for change in (halved, turned, zeroed):
        found = change(leaf)
        if isinstance(leaf, torch.Tensor):
            assert isinstance(found, torch.Tensor)
            assert (found.shape, found.dtype) == (leaf.shape, leaf.dtype)
        else:
            assert found is leaf
    assert [len(others) for others in other_inputs([leaf, leaf])] == [2] * 5


def test_whole_numbers_are_turned_around_and_floats_are_of_the_other_sign() -> None:
    torch.testing.assert_close(turned(PLACES), torch.tensor([[4, 3], [2, 1]]), rtol=0, atol=0)
    torch.testing.assert_close(turned(FLOATS), torch.tensor([[-3.0, -6.0], [-9.0, -12.0]]), rtol=0, atol=0)
