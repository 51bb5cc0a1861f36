"""Shapes of operations whose dimensions are tied together by names: recurrence, lookups, boxes.

A pattern writes a shape as words: a name stands for a size that is the same wherever it is written, a number
for itself, ``?`` for any size, ``@3`` for the value of scalar input 3, and ``a*b`` and ``a+b`` are computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Dimension, Shape
from nnapi_check.lowering.nnapi.shapes.shapes import NOTHING, Inferred, ShapeCall, agree, plus, text, times
from nnapi_check.lowering.nnapi.validation.faults import Problem, Rule

Sizes = dict[str, int]


@dataclass(frozen=True, slots=True)
class Pattern:
    """The shapes of an operation's inputs and outputs, by position."""

    inputs: Mapping[int, str]
    outputs: tuple[str, ...] = field(default=())


def bind(call: ShapeCall, inputs: Mapping[int, str]) -> tuple[Sizes, tuple[Problem, ...]]:
    """The sizes that names stand for, and the inputs that contradict them."""
    sizes: Sizes = {}
    problems: list[Problem] = []
    for position, words in inputs.items():
        dims = call.dims(position)
        if dims is None:
            continue
        names = words.split()
        if len(names) != len(dims):
            wanted = f"rank {len(names)}: [{', '.join(names)}]"
            problems.append(Problem(Rule.INPUT_SHAPE, f"shape {text(dims)}", wanted, position))
            continue
        wanted_dims = []
        for name, dim in zip(names, dims, strict=True):
            if isinstance(dim, int) and name.isidentifier():
                sizes.setdefault(name, dim)
            wanted_dims.append(evaluate(call, name, sizes))
        if not all(agree(wanted, dim) for wanted, dim in zip(wanted_dims, dims, strict=True)):
            wanted = f"[{', '.join(names)}], here {text(wanted_dims)}"
            problems.append(Problem(Rule.INPUT_SHAPE, f"shape {text(dims)}", wanted, position))
    return sizes, tuple(problems)


def evaluate(call: ShapeCall, word: str, sizes: Sizes) -> Dimension:
    """The size that a word of a pattern stands for."""
    if "+" in word:
        left, _, right = word.partition("+")
        return plus(evaluate(call, left, sizes), evaluate(call, right, sizes))
    if "*" in word:
        left, _, right = word.partition("*")
        return times(evaluate(call, left, sizes), evaluate(call, right, sizes))
    if word.isdigit():
        return int(word)
    if word.startswith("@"):
        value = call.integer(int(word[1:]))
        return UNSPECIFIED if value is None or value < 0 else value
    return sizes.get(word, UNSPECIFIED)


def apply(call: ShapeCall, pattern: Pattern) -> Inferred:
    """Bind the inputs of a pattern and compute its outputs."""
    sizes, problems = bind(call, pattern.inputs)
    if problems:
        return Inferred(problems=problems)
    if not pattern.outputs:
        return NOTHING
    shapes: list[Shape] = [
        tuple(evaluate(call, word, sizes) for word in words.split()) for words in pattern.outputs[: call.output_count]
    ]
    return Inferred(tuple(shapes))
