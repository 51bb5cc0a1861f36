"""Writes to what a module keeps are refused, but for those that its flags rule out, such as those of training."""

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError


class Counted(nn.Module):
    """Counts its calls in a list where it is trained and, unless ``never``, in every run."""

    def __init__(self, *, never: bool = True) -> None:
        super().__init__()
        self.never = never
        self.counts = [torch.zeros(1), torch.zeros(1)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.counts[0].add_(1)
        if not self.never:
            self.counts[1].add_(1)
        return x * 2


class Around(nn.Module):
    """A part that counts, inside another."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.part(x)
        return found + 1


@pytest.mark.parametrize("wrap", [lambda part: part, Around], ids=["alone", "inside"])
def test_what_no_run_writes_is_read(wrap: type[Around]) -> None:
    module = torch.jit.script(wrap(Counted()).eval())

    found = capture(module, [torch.ones(3)], weights=False)

    assert any(node.op.startswith("aten.mul") for node in found.graph.nodes())


@pytest.mark.parametrize("wrap", [lambda part: part, Around], ids=["alone", "inside"])
def test_what_every_run_writes_is_refused(wrap: type[Around]) -> None:
    module = torch.jit.script(wrap(Counted(never=False)).eval())

    with pytest.raises(InputError, match="overwrites a tensor that the model holds"):
        capture(module, [torch.ones(3)], weights=False)


class Switched(nn.Module):
    """Counts from its second call on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False
        self.counts = [torch.zeros(1)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_on:
            self.counts[0].add_(1)
        self.is_on = True
        return x * 2


def test_a_flag_that_a_run_sets_rules_nothing_out() -> None:
    with pytest.raises(InputError):
        capture(torch.jit.script(Switched().eval()), [torch.ones(3)], weights=False)
