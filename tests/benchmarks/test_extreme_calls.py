"""Calls that end a process are found, and none of those that constants are computed by does."""

import os

import pytest
import torch

from benchmarks.extreme_calls import Call, deaths, varied
from nnapi_check.analyzer.ops.allowed_ops import may_be_computed

aten = torch.ops.aten
IMAGE = torch.rand(1, 2, 5, 7)

CALLS: dict[str, Call] = {
    "resized": (aten.upsample_nearest2d.default, (IMAGE, [11, 9], 1.5, 1.5), {}),
    "resized exactly": (aten._upsample_nearest_exact2d.default, (IMAGE, [11, 9], 1.5, 1.5), {}),
    "a spectrum": (aten._fft_c2r.default, (torch.rand(5, 6, 7, dtype=torch.complex64), [-1], 1, 10), {}),
    "bags": (aten._embedding_bag.default, (torch.rand(9, 5), torch.arange(5), torch.tensor([0, 2])), {}),
    "alignments": (aten._ctc_loss.default, (torch.rand(50, 2, 20), torch.ones(2, 9).long(), [50, 50], [9, 7]), {}),
    "gathered": (aten.gather.default, (torch.rand(3, 4), 1, torch.zeros(3, 2, dtype=torch.int64)), {}),
    "picked": (aten.index.Tensor, (torch.rand(3, 4), [torch.tensor([0, 2])]), {}),
}


def test_a_call_that_ends_its_process_is_found() -> None:
    calls: list[Call] = [(torch.relu, (IMAGE,), {}), (os.abort, (), {}), (torch.relu, (IMAGE,), {})]

    assert [(call[0], code) for call, code in deaths(calls)] == [(os.abort, -6)]


@pytest.mark.parametrize("name", CALLS)
def test_a_constant_of_extreme_numbers_ends_no_process(name: str) -> None:
    calls = list(varied(CALLS[name]))

    assert len(calls) > 20
    assert list(deaths(calls)) == []


@pytest.mark.parametrize("op", ["aten::_embedding_bag", "aten::_ctc_loss", "torchvision::roi_align"])
def test_ops_that_read_where_they_are_told_are_not_computed_before_a_run(op: str) -> None:
    assert not may_be_computed(op)
