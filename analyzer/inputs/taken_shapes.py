"""The shapes that an exported program takes: of each dimension one size, a range, or what another one decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.arguments import Call


class Expression(Protocol):
    """What PyTorch computes a size by: an expression of sympy."""

    free_symbols: set[Expression]

    def subs(self, values: Mapping[Expression, int]) -> Expression:
        """It with numbers for symbols."""

    def __int__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class VaryingSize:
    """A size from ``least`` to ``most``, where there is one; those of one ``expression`` are the same."""

    expression: Expression
    least: int
    most: int | None

    @property
    def symbols(self) -> tuple[Expression, ...]:
        """What it is computed of: itself alone, where nothing else decides it."""
        return tuple(self.expression.free_symbols)

    @property
    def is_free(self) -> bool:
        """Whether it is no more than a symbol."""
        return self.symbols == (self.expression,)

    @property
    def said(self) -> str:
        """Which sizes it takes, in words."""
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"


TakenSize = int | VaryingSize


@dataclass(frozen=True, slots=True)
class TakenShape:
    """The sizes that a program takes of one tensor."""

    sizes: tuple[TakenSize, ...]


def shapes_in_order(taken: Call, given: Call, names: Sequence[str]) -> tuple[TakenShape, ...]:
    """The shapes for the tensors of a call, in their order. ``names`` are those of the arguments by position.

    Raises ``InputError`` where a tensor has another shape than the program takes.
    """
    expected = _by_place(taken, names)
    found = [(name, leaf) for name, leaf in _by_place(given, names).items() if isinstance(leaf, torch.Tensor)]
    pairs = [(name, expected.get(name), tuple(leaf.shape)) for name, leaf in found]
    shapes = {name: shape for name, shape, _ in pairs if isinstance(shape, TakenShape)}
    if len(shapes) < len(pairs):
        # Of what is called otherwise than exported, PyTorch says what is wrong.
        return ()
    refuse_others(shapes, {name: sizes for name, _, sizes in pairs})
    return tuple(shapes.values())


def _by_place(call: Call, names: Sequence[str]) -> dict[str, object]:
    named = dict(zip(names, call.positional, strict=False)) | dict(call.named)
    return {name: leaf for key, item in named.items() for name, leaf in _leaves(key, item)}


def _leaves(name: str, item: object) -> Iterator[tuple[str, object]]:
    match item:
        case dict():
            for key, part in item.items():
                yield from _leaves(f"{name}.{key}", part)
        case list() | tuple():
            for index, part in enumerate(item):
                yield from _leaves(f"{name}.{index}", part)
        case _:
            yield name, item


def refuse_others(shapes: Mapping[str, TakenShape], given: Mapping[str, Sequence[int]]) -> None:
    """Raise ``InputError`` where a tensor has another shape than the program takes, by the inputs' names."""
    for name, shape in shapes.items():
        if len(given[name]) != len(shape.sizes):
            raise InputError(f"'{name}' has {len(given[name])} dimensions; the program takes {len(shape.sizes)}.")
    known: dict[Expression, tuple[str, int]] = {}
    places = [
        (f"{name}.{axis}", size, given[name][axis])
        for name, shape in shapes.items()
        for axis, size in enumerate(shape.sizes)
    ]
    for place, size, found in places:
        if isinstance(size, int):
            if found != size:
                raise InputError(
                    f"{place} is {found}, and the program was exported for {size} alone; export it with this size, or "
                    "with torch.export.Dim, by which it may vary."
                )
        elif not size.least <= found or (size.most is not None and found > size.most):
            raise InputError(f"{place} is {found}; the program takes {size.said} there.")
        elif size.is_free:
            other, value = known.setdefault(size.expression, (place, found))
            if value != found:
                raise InputError(f"{place} is {found} and {other} is {value}; the program takes one size for both.")
    values = solve((size, found) for _, size, found in places)
    for place, size, found in places:
        if isinstance(size, VaryingSize) and not size.is_free and size_of(size, values) != found:
            wanted = size_of(size, values)
            told = f"{size.expression}, of whole numbers" if wanted is None else f"{wanted} beside the other sizes"
            raise InputError(f"{place} is {found}; the program takes {told}.")


def solve(found: Iterable[tuple[TakenSize, int]]) -> dict[Expression, int]:
    """The symbols' values, where sizes are symbols or multiples of one with something added."""
    values: dict[Expression, int] = {}
    sizes = [(size, value) for size, value in found if isinstance(size, VaryingSize)]
    for size, value in sorted(sizes, key=lambda item: not item[0].is_free):
        if len(size.symbols) != 1 or size.symbols[0] in values:
            continue
        (symbol,) = size.symbols
        at = [int(size.expression.subs({symbol: number})) for number in (0, 1)]
        step = at[1] - at[0]
        if step and (value - at[0]) % step == 0:
            values[symbol] = (value - at[0]) // step
    return values


def size_of(size: VaryingSize, values: Mapping[Expression, int]) -> int | None:
    """What a size is where its symbols are known; None where they are not."""
    if any(symbol not in values for symbol in size.symbols):
        return None
    return int(size.expression.subs(values))
