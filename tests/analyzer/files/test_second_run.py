"""A live module that keeps something where no attribute tells of it is refused; what can be drawn again is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.model_file import open_model
from nnapi_check.analyzer.inputs.arguments import Call, as_call


class _Ring:
    """An object of a class of the user's own, which has itself among what it holds."""

    def __init__(self) -> None:
        self.next = self
        self.turns = 0.0


class _Module(nn.Module):
    def __init__(self, step: Callable[[_Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(8))
        self.ring = _Ring()
        self.turns: Iterator[int] = count(1)
        self.itself: list[object] = [1]
        self.itself.append(self.itself)
        self.table: dict[str, object] = {"list": self.itself}
        self._step = step

    def forward(self, x: Tensor) -> Tensor:
        return x + self._step(self, x)


_TURNS = 0.0


def _of_an_object(module: _Module, x: Tensor) -> Tensor:
    module.ring.next.turns += 1
    return x * module.ring.turns


def _of_an_iterator(module: _Module, x: Tensor) -> Tensor:
    return x * next(module.turns)


def _of_a_global_name(module: _Module, x: Tensor) -> Tensor:
    global _TURNS
    _TURNS += 1
    return x * _TURNS


def _of_a_class(module: _Module, x: Tensor) -> Tensor:
    _Ring.of_all = getattr(_Ring, "of_all", 0.0) + 1.0  # type: ignore[attr-defined]  # so does a user's code
    return x * _Ring.of_all  # type: ignore[attr-defined, no-any-return]


def _of_python(module: _Module, x: Tensor) -> Tensor:
    return x * random.random()


def _of_numpy(module: _Module, x: Tensor) -> Tensor:
    return x * float(np.random.rand())


def _plain(module: _Module, x: Tensor) -> Tensor:
    return x * 2


def _of_pytorch(module: _Module, x: Tensor) -> Tensor:
    return torch.dropout(x, 0.5, True) + torch.randn_like(x)


def _of_a_buffer(module: _Module, x: Tensor) -> Tensor:
    return module.mean.mul_(0.9).add_(x.mean(0))


def _written_input(module: _Module, x: Tensor) -> Tensor:
    return x.add_(1)


def _opened(step: Callable[[_Module, Tensor], Tensor]) -> object:
    return open_model(_Module(step).eval(), Call((torch.randn(2, 8),)), weights=True, trust=False)


@pytest.mark.parametrize(
    "step", [_of_an_object, _of_an_iterator, _of_a_global_name, _of_a_class, _of_python, _of_numpy]
)
def test_a_module_that_gives_other_numbers_in_a_second_run_is_refused(
    step: Callable[[_Module, Tensor], Tensor],
) -> None:
    with pytest.raises(InputError, match="gives other numbers when it is run again"):
        _opened(step)


@pytest.mark.parametrize("step", [_plain, _of_pytorch, _of_a_buffer, _written_input])
def test_what_a_trace_holds_is_no_reason_to_refuse(step: Callable[[_Module, Tensor], Tensor]) -> None:
    assert _opened(step)


def test_the_inputs_of_a_user_stay_what_they_were() -> None:
    x = torch.randn(2, 8)
    before = x.clone()

    open_model(_Module(_written_input).eval(), Call((x,)), weights=True, trust=False)

    assert torch.equal(x, before)


def test_inputs_that_hold_themselves_are_refused() -> None:
    endless: list[object] = [torch.rand(2)]
    endless.append({"again": endless})

    with pytest.raises(InputError, match="holds itself"):
        as_call([endless])


class _OtherwiseTraced(nn.Module):
    """A module that gives other numbers while it is traced, each time the same, and may keep something besides."""

    def __init__(self, *, counts: bool) -> None:
        super().__init__()
        self.turns = count(1 if counts else 0, 1 if counts else 0)

    def forward(self, x: Tensor) -> Tensor:
        is_traced = torch._C._get_tracing_state() is not None
        # Of a number that is taken out of a tensor a trace warns.
        return x * 2 + float(x.sum() * 0) + next(self.turns) + (0.5 if is_traced else 0.0)


@pytest.mark.filterwarnings("error::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("counts", "words"), [(False, "other numbers while it is traced"), (True, "other numbers when it is run again")]
)
def test_what_tracing_alone_changes_is_told_apart_from_what_is_kept(counts: bool, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_model(_OtherwiseTraced(counts=counts), Call((torch.rand(8),)), weights=True, trust=False)
