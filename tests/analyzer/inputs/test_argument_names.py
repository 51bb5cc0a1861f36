"""Every argument of ``forward`` has a name of its own that PyTorch's compiler takes."""

import keyword

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.argument_names import distinct_names, source_names

HOSTILE = st.sampled_from(["t", "t0", "t00", "self", "lambda", "größe", "a.b", "bool", "input_0", "", "x y", "inf"])


class EachOfMany(nn.Module):
    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        copies = []
        # The trace calls its inputs as the local variable that they pass through.
        for item in tensors:
            copies.append(item.clone())
        return copies[0] - copies[1]


@given(st.lists(HOSTILE, max_size=8))
def test_names_are_distinct_and_the_first_of_each_is_kept(names: list[str]) -> None:
    found = distinct_names(names)

    assert len(set(found)) == len(found) == len(names)
    assert all(found[names.index(name)] == name for name in names)


@given(st.lists(HOSTILE, max_size=8))
def test_names_for_source_are_distinct_identifiers(names: list[str]) -> None:
    found = source_names(names)

    assert len(set(found)) == len(found) == len(names)
    assert all(name.isascii() and name.isidentifier() and not keyword.iskeyword(name) for name in found)


def test_each_of_many_inputs_has_a_name_of_its_own() -> None:
    inputs = torch.rand(2, 3), torch.rand(2, 3)
    traced = torch.jit.trace(EachOfMany(), inputs)  # type: ignore[no-untyped-call]  # PyTorch states no types

    captured = capture(traced, inputs, weights=False)

    assert captured.input_layout.names == ("item", "item0")


class Foreign(nn.Module):
    def forward(self, größe: torch.Tensor) -> torch.Tensor:
        return größe * 2


def test_name_that_pytorch_cannot_load_is_refused_when_it_is_checked() -> None:
    with pytest.raises(InputError, match="'größe' of the model has a name that PyTorch cannot load"):
        capture(Foreign(), [torch.rand(2, 3)], weights=False)
