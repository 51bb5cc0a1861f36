"""Drawing a chain: steps are chosen at random, and run at once to know what they make."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import torch

from benchmarks.random_chains.steps import (
    Chain,
    Data,
    Form,
    Input,
    Rounding,
    Step,
    Written,
    forward_source,
    method,
    place_parameters,
)

MOST_ELEMENTS = 3000
GREATEST = 1e4
ATTEMPTS = 8
SIZES = (2, 3, 4, 5, 6, 7, 8, 9, 10)
FLOAT = (torch.float32,)
WHOLE = (torch.int32, torch.int64)
NUMBERS = (*FLOAT, *WHOLE)
BOOL = (torch.bool,)

Drawer = Callable[["Draw"], Step]


class UnfitError(Exception):
    """What was drawn does not fit what there is; another is drawn."""


class Draw:
    """The state of a chain that is being drawn: its values so far, and chance."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tensors: dict[int, torch.Tensor] = {}
        self._next = 0

    def new_value(self) -> int:
        """A number for a value that is not made yet."""
        self._next += 1
        return self._next - 1

    def pick(
        self,
        ranks: Sequence[int] = (0, 1, 2, 3, 4, 5),
        dtypes: Sequence[torch.dtype] = FLOAT,
        fits: Callable[[torch.Tensor], bool] = lambda _tensor: True,
    ) -> int:
        """One of the values that fit, the latest more often than others."""
        found = [
            value
            for value, tensor in self.tensors.items()
            if tensor.dim() in ranks and tensor.dtype in dtypes and fits(tensor)
        ]
        if not found:
            raise UnfitError
        return found[-1] if self.random.random() < 0.6 else self.random.choice(found)

    def shape(self, value: int) -> tuple[int, ...]:
        """The shape of a value."""
        return tuple(self.tensors[value].shape)

    def chance(self, share: float) -> bool:
        """True in this share of all draws."""
        return self.random.random() < share

    def size(self, apart_from: Sequence[int] = ()) -> int:
        """A size that is none of those given."""
        return self.random.choice([size for size in SIZES if size not in apart_from])

    def axis(self, rank: int) -> int:
        """An axis of a tensor of this rank, counted from either end."""
        return self.random.randrange(-rank, rank) if rank else self.random.choice((0, -1))

    def axes(self, rank: int) -> tuple[int, ...]:
        """One or several axes, in any order, each counted from either end."""
        chosen = self.random.sample(range(rank), self.random.randint(1, rank))
        return tuple(axis - rank if self.chance(0.4) else axis for axis in chosen)

    def step(
        self,
        template: str,
        operands: Sequence[int],
        arguments: dict[str, Written] | None = None,
        parameters: Sequence[Data] = (),
        rounding: Rounding = Rounding.NONE,
        results: int = 1,
    ) -> Step:
        """A step with new values for its results."""
        return Step(
            template,
            tuple(operands),
            tuple((arguments or {}).items()),
            tuple(parameters),
            tuple(self.new_value() for _ in range(results)),
            rounding,
        )

    def some(self, **arguments: tuple[Written, Written]) -> dict[str, Written]:
        """Of arguments with their defaults, those that differ from them, and now and then one that does not."""
        return {name: value for name, (value, default) in arguments.items() if value != default or self.chance(0.2)}


def draw_chain(seed: int, families: Sequence[Sequence[Drawer]], form: Form | None = None) -> Chain:
    """A chain of 3 to 12 steps, as far as they fit each other."""
    draw = Draw(seed)
    chosen = draw.random.choice(list(Form)) if form is None else form
    inputs = tuple(_input(draw) for _ in range(draw.random.choice((1, 1, 2, 3))))
    for item in inputs:
        draw.tensors[item.value] = item.data.draw(seed * 1000 + item.value)
    wanted = draw.random.randint(3, 12)
    steps: list[Step] = []
    for attempt in count():
        if len(steps) == wanted or (steps and attempt > ATTEMPTS * wanted):
            break
        try:
            step = draw.random.choice(draw.random.choice(families))(draw)
            made = _run(seed, step, draw)
        except (UnfitError, RuntimeError, ValueError, IndexError, TypeError):
            continue
        if all(is_usable(tensor) for tensor in made):
            draw.tensors.update(zip(step.results, made, strict=True))
            steps.append(step)
    read = {operand for step in steps for operand in step.operands}
    outputs = [value for step in steps for value in step.results if value not in read]
    kept = draw.random.sample(outputs, draw.random.randint(1, len(outputs))) if len(outputs) > 1 else outputs
    made_values = [value for step in steps for value in step.results]
    if made_values and draw.chance(0.2):
        kept.append(draw.random.choice(made_values))
    chain = Chain(seed, chosen, inputs, tuple(steps), tuple(dict.fromkeys(kept)))
    # What elements decide, a trace holds as it was for the example inputs, and is refused.
    return without_unused(replace(chain, form=Form.SCRIPTED) if chain.is_decided_by_elements else chain)


def without_unused(chain: Chain) -> Chain:
    """The chain without steps and inputs that no output needs."""
    needed = set(chain.outputs)
    steps: list[Step] = []
    for step in reversed(chain.steps):
        if needed & set(step.results):
            steps.append(step)
            needed.update(step.operands)
    inputs = tuple(item for item in chain.inputs if item.value in needed) or chain.inputs[:1]
    return replace(chain, inputs=inputs, steps=tuple(reversed(steps)))


def without_latter_half(chain: Chain) -> Chain:
    """The chain with the former half of its steps, or none where it has one."""
    steps = chain.steps[: len(chain.steps) // 2]
    read = {operand for step in steps for operand in step.operands}
    outputs = tuple(value for step in steps for value in step.results if value not in read)
    return without_unused(replace(chain, steps=steps, outputs=outputs))


def _input(draw: Draw) -> Input:
    rank = draw.random.choices((0, 1, 2, 3, 4, 5), (1, 2, 4, 5, 12, 3))[0]
    shape = [draw.random.randint(1, 3)] if rank else []
    for _ in range(rank - 1):
        shape.append(draw.size(shape))
    if len(shape) > 4:
        shape = [min(size, 5) for size in shape]
    dtype = draw.random.choices((torch.float32, torch.int32, torch.int64), (18, 1, 1))[0]
    data = Data(tuple(shape), dtype) if dtype is torch.float32 else Data(tuple(shape), dtype, 0, 5)
    return Input(draw.new_value(), data)


def _run(seed: int, step: Step, draw: Draw) -> tuple[torch.Tensor, ...]:
    alone = Chain(
        seed, Form.TRACED, tuple(Input(value, Data(())) for value in dict.fromkeys(step.operands)), (step,), ()
    )
    return run_eagerly(alone, [draw.tensors[item.value] for item in alone.inputs], step.results)


def run_eagerly(chain: Chain, inputs: Sequence[torch.Tensor], outputs: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """Values of the chain, as PyTorch computes them."""
    holder = torch.nn.Module()
    place_parameters(holder, chain.parameters())
    with torch.no_grad():
        found = method(forward_source(chain, outputs=outputs))(holder, *inputs)
    if not isinstance(found, tuple) or not all(isinstance(item, torch.Tensor) for item in found):
        raise UnfitError
    return found


def is_usable(tensor: torch.Tensor) -> bool:
    """Whether a chain may hold it: finite numbers of no great size, not too many, and of a common type."""
    if not 0 < tensor.numel() <= MOST_ELEMENTS or tensor.dim() > 5:
        return False
    if tensor.dtype not in (torch.float32, torch.int32, torch.int64, torch.bool):
        return False
    numbers = tensor.double()
    return bool(numbers.isfinite().all()) and float(numbers.abs().max()) < GREATEST
