"""How far PyTorch's own outputs move when approximate ops are off by their bounds, and when every op rounds otherwise.

Nothing of NNAPI runs here: both sides are PyTorch, so what it finds says what bounds and rounding mean for a model, and
not what the converted model computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.files.kept_state import with_same_state
from nnapi_check.analyzer.random_numbers import same_random_numbers
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import computed_op_by_op, quiet
from nnapi_check.lowering.packaging.graph_copy import walk, written_values
from nnapi_check.lowering.packaging.quantized_clamps import mend_clamps
from nnapi_check.lowering.packaging.script_modules import type_of
from nnapi_check.lowering.verification.approximation import Approximation, Cause
from nnapi_check.lowering.verification.comparison import compare, relative_difference, tolerance_of
from nnapi_check.lowering.verification.reference import all_twins_of, is_at_top
from nnapi_check.lowering.verification.stated_steps import spread_of

_SHARES_UP = (1.0, 0.5, 0.5, 0.5)
"""Which share of the elements is moved up in each draw, the others down; each draw is turned around as well."""

ROUNDING = 2.0**-24
"""What one rounding of a float32 moves, as a share of the range: sums round by the size of what they add."""


@dataclass(frozen=True, slots=True)
class Movement:
    """The greatest relative change of each output, and of values inside the graph by id. Infinite where an output that
    is not float32 changes at all, or where an op reads what its bound does not hold for. ``draws`` are the outputs that
    moved. ``noise`` and ``values_noise`` are the least decibels from signal to noise, where ``is_stepped``: some ops
    are off by steps of their quantized results."""

    outputs: tuple[float, ...]
    values: Mapping[int, float]
    draws: tuple[tuple[torch.Tensor, ...], ...] = ()
    noise: tuple[float, ...] = ()
    values_noise: Mapping[int, float] = field(default_factory=dict)
    is_stepped: bool = False


NO_MOVEMENT = Movement((), {})
"""That of a model without approximate ops."""


@dataclass(frozen=True, slots=True)
class MovedRun:
    """What one run of PyTorch gives: the outputs, and those of the values inside that are watched, by id."""

    outputs: tuple[torch.Tensor, ...]
    values: Mapping[int, torch.Tensor]


class _Mover(torch.nn.Module):
    """Moves every element of a tensor by a bound, up or down; ``of_range`` is a share of the tensor's own range, in
    place of which ``least`` counts where that is more."""

    def __init__(self, absolute: float, relative: float, of_range: float, least: float, within: float) -> None:
        super().__init__()
        self.absolute, self.relative, self.within = absolute, relative, within
        self.of_range, self.least = of_range, least
        self.share_up = 0.5
        self.sign = 0.0

    def forward(self, value: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        if self.sign == 0.0 or not value.is_floating_point() or value.numel() == 0:
            return value
        amount = value.abs() * self.relative + self.absolute
        if self.of_range > 0:
            # An element that is not finite has no range.
            known = torch.nan_to_num(value, 0.0, 0.0, 0.0)
            steps = self.of_range * (known.max().clamp(min=0) - known.min().clamp(max=0))
            amount = amount + steps.clamp(min=self.least)
        signed = self.sign * amount
        moved = torch.where(torch.rand_like(value) < self.share_up, value + signed, value - signed)
        if math.isfinite(self.within) and bool((read.abs() > self.within).any()):
            return torch.full_like(value, math.nan)
        return moved


class _Stepper(torch.nn.Module):
    """Moves some elements of a quantized tensor, at random, by steps of its scale."""

    def __init__(self, steps: int, share: float) -> None:
        super().__init__()
        self.steps, self.share = steps, share
        self.share_up = 0.5
        self.sign = 0.0

    def forward(self, value: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        if self.sign == 0.0 or not value.is_quantized or value.numel() == 0:
            return value
        # One at least: that a step occurs is sure over many models, and where it occurs is not.
        count = min(value.numel(), math.ceil(self.share * value.numel()))
        places = torch.randperm(value.numel())[:count]
        stored = value.int_repr()
        low, high = (0, 255) if stored.dtype == torch.uint8 else (-128, 127)
        up = torch.rand(count) < self.share_up
        moved = torch.where(up, int(self.sign) * self.steps, -int(self.sign) * self.steps)
        steps = stored.flatten().to(torch.int32)
        steps = steps.index_add(0, places, moved.to(torch.int32)).clamp(low, high)
        elements = steps.to(stored.dtype).reshape(stored.shape)
        return torch._make_per_tensor_quantized_tensor(elements, value.q_scale(), value.q_zero_point())


class _Drifter(torch.nn.Module):
    """Moves a quantized tensor, before it is rounded, by random numbers whose root mean square, in steps, is ``factor``
    times that of what is read."""

    def __init__(self, steps: int, factor: float) -> None:
        super().__init__()
        self.steps, self.factor = steps, factor
        self.share_up = 0.5
        self.sign = 0.0

    def forward(self, value: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        if self.sign == 0.0 or not value.is_quantized or value.numel() == 0:
            return value
        stored = value.int_repr()
        low, high = (0, 255) if stored.dtype == torch.uint8 else (-128, 127)
        deviation = self.factor * abs(self.sign) * spread_of(read)
        # What was rounded lay anywhere within half a step.
        within, moved = torch.rand(stored.shape) - 0.5, torch.randn(stored.shape) * deviation
        steps = stored + (within + moved.clamp(-self.steps, self.steps)).round()
        elements = steps.clamp(low, high).to(stored.dtype)
        return torch._make_per_tensor_quantized_tensor(elements, value.q_scale(), value.q_zero_point())


class _Reorderer(torch.nn.Module):
    """Gives equal elements another order, and says of a place in that order where it was."""

    def __init__(self, dim: int, *, is_flat: bool) -> None:
        super().__init__()
        self.dim, self.is_flat = dim, is_flat
        self.share_up = 0.5
        self.sign = 0.0
        self.order = torch.zeros(0, dtype=torch.int64)

    def forward(self, value: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        elements = value.flatten() if self.is_flat or value.dim() == 0 else value
        dim = self.dim if elements.dim() == value.dim() else 0
        count = elements.size(dim)
        # The first draws keep the order and reverse it.
        self.order = torch.arange(count) if self.share_up == 1.0 else torch.randperm(count)
        if self.sign > 0.0:
            self.order = self.order.flip(0)
        if self.sign == 0.0:
            return value
        return elements.index_select(dim, self.order).reshape(value.shape)

    @torch.jit.export
    def restored(self, value: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """What the op tells, of the elements as they were."""
        return value if self.sign == 0.0 else self.order[value]


_MoverModule = _Mover | _Stepper | _Drifter | _Reorderer


@computed_op_by_op()
def movement(
    captured: Captured,
    items: Sequence[Approximation],
    inputs: Sequence[torch.Tensor],
    values: Sequence[int] = (),
    *,
    rounded: Sequence[int] = (),
) -> Movement:
    """Move what the approximate nodes of a captured graph make by their bounds: all up, all down, and at random.

    ``rounded`` are values that are moved by a rounding as well. Only ``values`` at the top of the graph are watched.
    """
    runs = moved_runs(captured, items, inputs, values, rounded=rounded)
    base = next(runs)
    is_stepped = any(item.bound.steps for item in items)
    outputs, inside = [_UNMOVED] * len(base.outputs), [_UNMOVED] * len(base.values)
    draws = []
    for moved in runs:
        outputs = _furthest(outputs, moved.outputs, base.outputs, is_stepped=is_stepped)
        inside = _furthest(inside, [*moved.values.values()], [*base.values.values()], is_stepped=is_stepped)
        draws.append(moved.outputs)
    named = dict(zip(base.values, inside, strict=True))
    return Movement(
        outputs=tuple(found.change for found in outputs),
        values={value: found.change for value, found in named.items()},
        draws=tuple(draws),
        noise=tuple(found.noise for found in outputs),
        values_noise={value: found.noise for value, found in named.items()},
        is_stepped=is_stepped,
    )


def moved_runs(
    captured: Captured,
    items: Sequence[Approximation],
    inputs: Sequence[torch.Tensor],
    values: Sequence[int] = (),
    *,
    rounded: Sequence[int] = (),
    times: int = 1,
) -> Iterator[MovedRun]:
    """Each run that ``movement`` measures, after one in which nothing is moved; each is moved so many times as far."""
    graph = captured.torch_graph.copy()
    twins = all_twins_of(captured, graph)
    tapped = [value for value in sorted(set(values)) if value in twins and is_at_top(twins[value])]
    # The turns of a loop are one node.
    once = {tuple(twins[value].unique() for value in item.made if value in twins): item for item in items}
    movers = [_scripted(_mover(item, twins)) for item in once.values()]
    for item, mover in zip(once.values(), movers, strict=True):
        _insert(graph, twins, item, mover)
    if rounded:
        movers.append(_scripted(_Mover(0.0, 0.0, ROUNDING, 0.0, math.inf)))
        _insert_roundings(graph, twins, rounded, movers[-1])
    _give(graph, [twins[value] for value in tapped])
    mend_clamps(graph)
    function = torch._C._create_function_from_graph("forward", graph)

    def run() -> MovedRun:
        given = captured.input_layout.arguments([tensor.clone() for tensor in inputs])
        moved = (*given, *(mover._c for mover in movers))
        with quiet(), torch.no_grad():
            found = flat_tensors(with_same_state(captured.module, lambda: function(captured.module, *moved)))
        outputs, inside = found[: len(found) - len(tapped)], found[len(found) - len(tapped) :]
        return MovedRun(outputs, dict(zip(tapped, inside, strict=True)))

    yield run()
    yield from _draws(movers, run, times)


def _draws(movers: Sequence[torch.jit.ScriptModule], run: Callable[[], MovedRun], times: int) -> Iterator[MovedRun]:
    for seed, share in enumerate(_SHARES_UP, start=len(_SHARES_UP) * (times - 1)):
        for sign in (float(times), -float(times)):
            for mover in movers:
                mover.share_up, mover.sign = share, sign
            with same_random_numbers(seed):
                yield run()


@dataclass(frozen=True, slots=True)
class _Moved:
    """How far a tensor moved at most, as a share of its range, and the least decibels that it had."""

    change: float
    noise: float


_UNMOVED = _Moved(0.0, math.inf)


def _furthest(
    known: Sequence[_Moved], moved: Sequence[torch.Tensor], base: Sequence[torch.Tensor], *, is_stepped: bool
) -> list[_Moved]:
    """What is known of each tensor, or how far it moved now where that is more. Lists of another length moved
    infinitely.
    """
    if len(moved) != len(base):
        return [_Moved(math.inf, -math.inf if is_stepped else math.inf)] * len(known)
    found = [_how_far(left, right, is_stepped=is_stepped) for left, right in zip(moved, base, strict=True)]
    return [_Moved(max(a.change, b.change), min(a.noise, b.noise)) for a, b in zip(known, found, strict=True)]


def _how_far(moved: torch.Tensor, base: torch.Tensor, *, is_stepped: bool) -> _Moved:
    """How far a tensor moved. Noise is told where ops are off by steps, and costs a whole comparison."""
    if is_stepped:
        numbers = compare(moved, base)
        change, noise = numbers.max_relative, numbers.signal_to_noise
    else:
        change, noise = relative_difference(moved, base), math.inf
    is_exact = tolerance_of(base.dtype) == 0.0
    return _Moved(math.inf if is_exact and change > 0 else change, noise)


def _mover(item: Approximation, twins: Mapping[int, torch._C.Value]) -> _MoverModule:
    bound = item.bound
    if bound.deviation:
        return _Drifter(bound.steps, bound.deviation / bound.spread)
    if bound.steps:
        return _Stepper(bound.steps, bound.share)
    if item.cause is Cause.TIES:
        dim = next((_dim(twins[value].node()) for value in item.made if value in twins), None)
        return _Reorderer(dim or 0, is_flat=dim is None)
    within = math.inf if bound.within is None else bound.within
    return _Mover(bound.absolute, bound.relative, bound.of_input, bound.least_of_input, within)


def _dim(node: torch._C.Node) -> int | None:
    """The dimension that a node compares elements along, None for all."""
    names = [argument.name for argument in torch._C.parse_schema(node.schema()).arguments]
    given = node.inputsAt(names.index("dim")) if "dim" in names else None
    found = None if given is None else given.toIValue()
    return found if isinstance(found, int) else None


def _scripted(mover: _MoverModule) -> torch.jit.ScriptModule:
    with quiet():
        return cast("torch.jit.ScriptModule", torch.jit.script(mover))


def _receiver(graph: torch._C.Graph, mover: torch.jit.ScriptModule) -> torch._C.Value:
    """A new last input of the graph, that takes a mover."""
    receiver = graph.addInput()
    receiver.setType(type_of(mover._c))
    return receiver


def _insert(
    graph: torch._C.Graph, twins: dict[int, torch._C.Value], item: Approximation, mover: torch.jit.ScriptModule
) -> None:
    """Let a mover move what an approximate node makes, or what it reads. What is not in the graph is left out."""
    receiver = _receiver(graph, mover)
    made, read = [value for value in item.made if value in twins], twins.get(item.read)
    if not made or read is None:
        return
    is_reordered = item.cause is Cause.TIES
    if item.bound.of_input or is_reordered:
        maker = twins[made[0]].node()
        if read.unique() not in {value.unique() for value in maker.inputs()}:
            # Of a node that stands for others, the last reads what they made of the input.
            read = maker.inputsAt(0)
        moved = _called(graph, receiver, read, read)
        moved.node().insertBefore(maker)
        maker.replaceInputWith(read, moved)
    if is_reordered:
        # Such ops tell places last.
        for value in (value for value in made if twins[value].offset() == twins[value].node().outputsSize() - 1):
            _move(graph, receiver, twins, value, read, "restored")
    elif not item.bound.of_input:
        for value in made:
            _move(graph, receiver, twins, value, read)


def _insert_roundings(
    graph: torch._C.Graph, twins: dict[int, torch._C.Value], values: Sequence[int], mover: torch.jit.ScriptModule
) -> None:
    """Let a mover move these values, but those that something writes to, or to a view of."""
    receiver = _receiver(graph, mover)
    written: set[int] = set()
    for changed in (found for node in walk(graph) for found in written_values(node)):
        base: torch._C.Value | None = changed
        while base is not None and base.unique() not in written:
            written.add(base.unique())
            base = next(iter(base.node().inputs()), None)
    moved: set[int] = set()
    for value in sorted(set(values) & twins.keys()):
        if twins[value].unique() not in written | moved:
            moved.add(twins[value].unique())
            _move(graph, receiver, twins, value, twins[value])


def _move(
    graph: torch._C.Graph,
    receiver: torch._C.Value,
    twins: dict[int, torch._C.Value],
    value: int,
    read: torch._C.Value,
    name: str = "forward",
) -> None:
    made = twins[value]
    moved = _called(graph, receiver, made, read, name)
    if made.node().kind() == "prim::Param":
        moved.node().insertBefore(next(iter(made.node().owningBlock().nodes())))
    else:
        moved.node().insertAfter(made.node())
    made.replaceAllUsesAfterNodeWith(moved.node(), moved)
    twins[value] = moved


def _called(
    graph: torch._C.Graph,
    receiver: torch._C.Value,
    value: torch._C.Value,
    read: torch._C.Value,
    name: str = "forward",
) -> torch._C.Value:
    call = graph.create("prim::CallMethod", [receiver, value, read], 1)
    call.s_("name", name)
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
