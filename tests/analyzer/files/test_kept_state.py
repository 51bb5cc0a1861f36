"""What a live module keeps from one run to the next: no trace sees it, so no trace may stand for such a module."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.model_file import open_model
from nnapi_check.analyzer.inputs.arguments import Call


class _Module(nn.Module):
    def __init__(self, step: Callable[[_Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(8))
        self.plain = torch.zeros(8)
        self.grid: Tensor | None = None
        self.frames: list[Tensor] = []
        self.count = 0
        self._step = step

    def forward(self, x: Tensor) -> Tensor:
        held: Tensor = self.linear(x)
        return held + self._step(self, x)


def _buffer(module: _Module, x: Tensor) -> Tensor:
    module.mean = module.mean * 0.9 + x.mean(0)
    return module.mean


def _plain(module: _Module, x: Tensor) -> Tensor:
    module.plain = torch.maximum(module.plain, x.amax(0))
    return module.plain


def _made_late(module: _Module, x: Tensor) -> Tensor:
    module.late = getattr(module, "late", torch.zeros(8)) + x.sum(0)
    return module.late


def _frames(module: _Module, x: Tensor) -> Tensor:
    module.frames.append(x)
    return torch.stack(module.frames).mean(0)


def _count(module: _Module, x: Tensor) -> Tensor:
    module.count += 1
    return x * module.count


def _cached(module: _Module, x: Tensor) -> Tensor:
    if module.grid is None:
        module.grid = torch.arange(8.0)
    return module.grid * x


def _set_alike(module: _Module, x: Tensor) -> Tensor:
    module.plain = module.plain.to(x.dtype).clone()
    return module.plain


def _counted_only(module: _Module, x: Tensor) -> Tensor:
    module.count += 1
    return x


def _kept_for_later(module: _Module, x: Tensor) -> Tensor:
    module.plain = x * 2
    return module.plain


@pytest.mark.parametrize(
    ("step", "named"),
    [(_buffer, "mean"), (_plain, "plain"), (_made_late, "late"), (_frames, "frames"), (_count, "count")],
)
def test_a_module_with_a_state_of_its_own_is_refused(step: Callable[[_Module, Tensor], Tensor], named: str) -> None:
    with pytest.raises(InputError, match=rf"changes its attribute {named} in each run"):
        open_model(_Module(step).eval(), Call((torch.randn(2, 8),)), weights=True, trust=False)


@pytest.mark.parametrize("step", [_cached, _set_alike, _counted_only, _kept_for_later])
def test_attributes_that_change_no_number_are_let_be(step: Callable[[_Module, Tensor], Tensor]) -> None:
    model, x = _Module(step).eval(), torch.randn(2, 8)

    opened = open_model(model, Call((x,)), weights=True, trust=False)

    torch.testing.assert_close(opened.module(x / 2), model(x / 2))


def _set_by_the_first_input(module: _Module, x: Tensor) -> Tensor:
    if module.grid is None:
        module.grid = x.mean(0)
    return module.grid * x


def _other_once_settled(module: _Module, x: Tensor) -> Tensor:
    if module.grid is None:
        module.grid = torch.arange(8.0)
        return x
    return module.grid * x


@pytest.mark.parametrize("step", [_set_by_the_first_input, _other_once_settled])
def test_what_the_first_run_sets_by_its_elements_or_gives_alone_is_no_settled_state(
    step: Callable[[_Module, Tensor], Tensor],
) -> None:
    model, x = _Module(step).eval(), torch.randn(2, 8)
    with pytest.raises(InputError, match="changes its attribute grid in each run"):
        open_model(model, Call((x,)), weights=True, trust=False)


def test_what_is_set_once_is_a_constant_of_the_trace() -> None:
    """And numbers of nearly equal size that change their places in other inputs are none of its business."""

    class Sorting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shape: list[int] = []
            self.grid = torch.zeros(1)

        def forward(self, x: Tensor) -> Tensor:
            shape = [int(size) for size in x.shape]
            if shape != self.shape:
                self.grid = torch.arange(shape[-1]) * 1e-9 + shape[0]
                self.shape = shape
            return x + self.grid

    model, x = Sorting().eval(), torch.randn(2, 8)
    opened = open_model(model, Call((x,)), weights=True, trust=False)
    assert "aten::arange" not in {node.kind() for node in opened.module.graph.nodes()}
    assert model.shape == [2, 8]
    torch.testing.assert_close(opened.module(x / 2), model(x / 2))


class _Parted(nn.Module):
    """A grid that is set once, beside a part that is scripted already."""

    def __init__(self) -> None:
        super().__init__()
        self.part = torch.jit.script(nn.Linear(8, 8))
        self.grid: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.grid is None:
            self.grid = torch.arange(8.0)
        found: Tensor = self.part(x)
        return found + self.grid


class _FailsWhenPutBack(nn.Module):
    """A list that is filled in the first run, and read in all."""

    def __init__(self) -> None:
        super().__init__()
        self.is_first = True
        self.grids: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.is_first:
            self.is_first = False
            if self.grids:
                raise RuntimeError("filled twice")
            self.grids.append(torch.arange(8.0))
        return x * self.grids[0]


@pytest.mark.parametrize("build", [_Parted, _FailsWhenPutBack])
def test_what_cannot_be_put_back_whole_is_no_fault(build: type[nn.Module]) -> None:
    model, x = build().eval(), torch.randn(2, 8)

    opened = open_model(model, Call((x,)), weights=True, trust=False)

    torch.testing.assert_close(opened.module(x / 2), model(x / 2))
