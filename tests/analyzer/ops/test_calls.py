"""What is said of a call that cannot be typed: that shapes do not fit, or nothing where elements decide."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import rnn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError


class Packs(nn.Module):
    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return rnn.pad_packed_sequence(packed, batch_first=True)[0]


class Aligns(nn.Module):
    def forward(self, x: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return functional.ctc_loss(x, targets, torch.full_like(lengths, 7), lengths)


class Gathers(nn.Module):
    def forward(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return torch.gather(x, 0, places)


def test_lengths_that_zeros_are_none_of_do_not_make_a_model_fail() -> None:
    packs = capture(Packs(), [torch.rand(2, 5, 3), torch.tensor([5, 2])], weights=True)
    aligns = capture(Aligns(), [torch.rand(7, 2, 4), torch.tensor([1, 2, 3, 1, 2]), torch.tensor([3, 2])], weights=True)

    assert "aten._pack_padded_sequence.default" in {node.op for node in packs.graph.nodes()}
    assert "aten.ctc_loss.Tensor" in {node.op for node in aligns.graph.nodes()}


def test_shapes_that_fit_for_no_elements_make_a_model_fail() -> None:
    scripted = torch.jit.script(Gathers())

    with pytest.raises(InputError, match=r"The model fails with input .* in aten.gather.default"):
        capture(scripted, ["f32[2,3]", "i64[2,3,5]"], weights=False)
