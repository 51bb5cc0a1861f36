"""How far PyTorch's own outputs move when the approximate ops of a model are off by their bounds.

Nothing of NNAPI runs here: both sides are PyTorch, so what it finds says what bounds mean for a model, and not what
the converted model computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch

from analyzer.capture import Captured
from analyzer.torchscript import quiet
from lowering.approximation import Approximation
from lowering.numbers import compare
from lowering.packaging.script_modules import type_of
from lowering.reference import flat_tensors, twins_of

_SHARES_UP = (1.0, 0.5, 0.5, 0.5)
"""Which share of the elements is moved up in each draw, the others down; each draw is turned around as well."""


@dataclass(frozen=True, slots=True)
class Movement:
    """The greatest relative change of each output, and of values inside the graph by id. Infinite where an output that
    is not float32 changes at all, or where an op reads what its bound does not hold for."""

    outputs: tuple[float, ...]
    values: Mapping[int, float]


NO_MOVEMENT = Movement((), {})
"""That of a model without approximate ops."""

_Tensors = tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]
"""The outputs of one run, and the values inside."""


class _Mover(torch.nn.Module):
    """Moves every element of a tensor by a bound, up or down."""

    def __init__(self, item: Approximation) -> None:
        super().__init__()
        self.absolute, self.relative, self.of_input = item.bound.absolute, item.bound.relative, item.bound.of_input
        self.within = math.inf if item.bound.within is None else item.bound.within
        self.share_up = 0.5
        self.sign = 0.0

    def forward(self, value: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        if self.sign == 0.0 or not value.is_floating_point() or value.numel() == 0:
            return value
        amount = value.abs() * self.relative + self.absolute
        if self.of_input > 0:
            # An element that is not finite has no range.
            known = torch.nan_to_num(value, 0.0, 0.0, 0.0)
            amount = amount + self.of_input * (known.max().clamp(min=0) - known.min().clamp(max=0))
        signed = self.sign * amount
        moved = torch.where(torch.rand_like(value) < self.share_up, value + signed, value - signed)
        if math.isfinite(self.within) and bool((read.abs() > self.within).any()):
            return torch.full_like(value, math.nan)
        return moved


def movement(
    captured: Captured, items: Sequence[Approximation], inputs: Sequence[torch.Tensor], values: Sequence[int] = ()
) -> Movement:
    """Move what the approximate nodes of a captured graph make by their bounds: all up, all down, and at random."""
    graph = captured.torch_graph.copy()
    movers = [cast("torch.jit.ScriptModule", torch.jit.script(_Mover(item))) for item in items]
    tapped = _insert(captured, graph, items, movers, values)
    function = torch._C._create_function_from_graph("forward", graph)

    def run() -> _Tensors:
        given = captured.input_layout.arguments([tensor.clone() for tensor in inputs])
        with quiet(), torch.no_grad():
            *outputs, inside = function(captured.module, *given, *(mover._c for mover in movers))
        return flat_tensors(outputs), flat_tensors(inside)

    base_outputs, base_values = run()
    outputs, inside = [0.0] * len(base_outputs), [0.0] * len(base_values)
    for moved_outputs, moved_values in _draws(movers, run):
        outputs = _greater(outputs, moved_outputs, base_outputs)
        inside = _greater(inside, moved_values, base_values)
    return Movement(tuple(outputs), dict(zip(tapped, inside, strict=True)))


def _draws(movers: Sequence[torch.jit.ScriptModule], run: Callable[[], _Tensors]) -> Iterator[_Tensors]:
    for seed, share in enumerate(_SHARES_UP):
        for sign in (1.0, -1.0):
            for mover in movers:
                mover.share_up, mover.sign = share, sign
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                yield run()


def _greater(known: Sequence[float], moved: Sequence[torch.Tensor], base: Sequence[torch.Tensor]) -> list[float]:
    """The greater of what is known and how far each tensor moved. Lists of another length moved infinitely."""
    if len(moved) != len(base):
        return [math.inf] * len(known)
    changes = [_change(left, right) for left, right in zip(moved, base, strict=True)]
    return [max(pair) for pair in zip(known, changes, strict=True)]


def _change(moved: torch.Tensor, base: torch.Tensor) -> float:
    found = compare(moved, base)
    is_exact = found.tolerance == 0.0
    return math.inf if is_exact and found.max_relative > 0 else found.max_relative


def _insert(
    captured: Captured,
    graph: torch._C.Graph,
    items: Sequence[Approximation],
    movers: Sequence[torch.jit.ScriptModule],
    values: Sequence[int],
) -> list[int]:
    """Put a mover at each approximate node of a copied graph, and let it give its outputs and these values.

    The movers become the last inputs of the graph. Values that are not at the top of the graph are left out.
    """
    twins = twins_of(captured, graph)
    tapped = [value for value in sorted(set(values)) if value in twins]
    for item, mover in zip(items, movers, strict=True):
        receiver = graph.addInput()
        receiver.setType(type_of(mover._c))
        made = [value for value in item.made if value in twins]
        read = twins.get(item.read)
        if not made or read is None:
            continue
        maker = twins[made[0]].node()
        if item.bound.of_input:
            moved = _called(graph, receiver, read, read)
            moved.node().insertBefore(maker)
            maker.replaceInputWith(read, moved)
            continue
        for value in made:
            moved = _called(graph, receiver, twins[value], read)
            moved.node().insertAfter(twins[value].node())
            twins[value].replaceAllUsesAfterNodeWith(moved.node(), moved)
            twins[value] = moved
    _give(graph, [twins[value] for value in tapped])
    return tapped


def _called(
    graph: torch._C.Graph, receiver: torch._C.Value, value: torch._C.Value, read: torch._C.Value
) -> torch._C.Value:
    call = graph.create("prim::CallMethod", [receiver, value, read], 1)
    call.s_("name", "forward")
    call.output().setType(torch._C.TensorType.get())
    return call.output()


def _give(graph: torch._C.Graph, values: Sequence[torch._C.Value]) -> None:
    outputs = list(graph.outputs())
    inside = graph.create("prim::TupleConstruct", list(values), 1)
    inside.output().setType(torch._C.TupleType([value.type() for value in values]))
    graph.appendNode(inside)
    whole = graph.create("prim::TupleConstruct", [*outputs, inside.output()], 1)
    whole.output().setType(torch._C.TupleType([value.type() for value in (*outputs, inside.output())]))
    graph.appendNode(whole)
    for _ in outputs:
        graph.eraseOutput(0)
    graph.registerOutput(whole.output())
