"""Constants are computed before a run to see that they can be, and none is kept for longer than it is read."""

import weakref
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.ops.dispatched_calls import DispatchedCalls

ELEMENTS = 1024
STEPS = 30


class Chain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, ELEMENTS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.weight
        for step in range(STEPS):
            found = torch.sin(found + step)
        return x + found * self.weight


class Alive(DispatchedCalls):
    """Counts how many of the large tensors that ops give are there at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.made: list[weakref.ref[torch.Tensor]] = []

    def called(self, op: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        found: object = op(*args, **kwargs)
        if isinstance(found, torch.Tensor) and found.numel() == ELEMENTS:
            self.made.append(weakref.ref(found))
        self.most = max(self.most, sum(made() is not None for made in self.made))
        return found


def test_no_constant_is_kept_for_longer_than_it_is_read() -> None:
    captured = capture(Chain(), [torch.rand(ELEMENTS)], weights=True)

    with Alive() as alive:
        captured.refuse_failing_constants()

    assert len(alive.made) > STEPS
    assert alive.most < 10


def test_constants_are_what_pytorch_computes() -> None:
    module = Chain()
    captured = capture(module, [torch.zeros(ELEMENTS)], weights=True)
    (added,) = (node for node in captured.calls if node.op == "aten.add.Tensor" and not node.is_constant)

    found = captured.tensor(added.inputs()[1])

    torch.testing.assert_close(found, module(torch.zeros(ELEMENTS)))
