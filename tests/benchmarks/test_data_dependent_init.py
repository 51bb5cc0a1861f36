"""Random weights with which outputs hang on inputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.data_dependent_init import SPREAD, change_by_inputs, initialize_by_data


class Faint(nn.Module):
    """A branch that is scaled by a millionth, all that the output has of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 12)
        self.scale = nn.Parameter(torch.full((12,), 1e-6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch: torch.Tensor = self.layer(x)
        return 1.0 + self.scale * branch


def _head_of_zeros() -> nn.Module:
    head = nn.Linear(12, 12)
    nn.init.zeros_(head.weight)
    return nn.Sequential(nn.Linear(12, 12), nn.ReLU(), head)


def _fading() -> nn.Module:
    layers = [nn.Linear(12, 12) for _ in range(8)]
    for layer in layers:
        nn.init.normal_(layer.weight, 0, 0.01)
    return nn.Sequential(*layers)


def _unmeasured_norms() -> nn.Module:
    parts = []
    for _ in range(8):
        layer = nn.Conv1d(4, 4, 3, padding=1)
        nn.init.normal_(layer.weight, 0, 0.01)
        norm = nn.BatchNorm1d(4)
        parts += [layer, norm, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


@pytest.mark.parametrize("build", [Faint, _head_of_zeros, _fading, _unmeasured_norms])
def test_outputs_that_hardly_hang_on_inputs_do_afterwards(build: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module, inputs = build().eval(), (torch.rand(1, 4, 12),)
    assert change_by_inputs(module, inputs) < SPREAD
    initialize_by_data(module, inputs)
    assert change_by_inputs(module, inputs) > 10 * SPREAD
    assert not module.training
    assert all(parameter.isfinite().all() for parameter in module.parameters())


def test_norms_of_one_element_and_integers_are_left() -> None:
    module = nn.Sequential(nn.BatchNorm1d(1))
    initialize_by_data(module, (torch.rand(1, 1),))
    assert module(torch.rand(1, 1)).isfinite().all()
    words = nn.Embedding(10, 4)
    assert change_by_inputs(initialize_by_data(words, (torch.tensor([1, 2]),)), (torch.tensor([1, 2]),)) > SPREAD
