"""The arguments of a call of ``forward``: tensors or their specifications, plain values, and what holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.inputs.specification import InputSpec, PlainSpec, parse_input, parse_input_spec
from nnapi_check.analyzer.tensor_types import random_tensor, tensor_type


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call: those by position, and those by name."""

    positional: tuple[object, ...] = ()
    named: Mapping[str, object] = field(default_factory=dict)

    def mapped(self, change: Callable[[object], object]) -> Call:
        """The same call with every leaf changed."""
        positional = tuple(mapped(item, change) for item in self.positional)
        return Call(positional, {name: mapped(item, change) for name, item in self.named.items()})

    def leaves(self) -> Iterator[object]:
        """Every leaf, in order."""
        for item in (*self.positional, *self.named.values()):
            yield from leaves(item)


def mapped(item: object, change: Callable[[object], object]) -> object:
    """An argument with every leaf changed; lists, tuples, named tuples and tables stay what they are."""
    match item:
        case dict():
            return {key: mapped(part, change) for key, part in item.items()}
        case list():
            return [mapped(part, change) for part in item]
        case tuple():
            parts = [mapped(part, change) for part in item]
            make: Callable[[Sequence[object]], object] = getattr(type(item), "_make", tuple)
            return make(parts)
        case _:
            return change(item)


def leaves(item: object) -> Iterator[object]:
    """Every leaf of an argument, in order."""
    match item:
        case dict():
            for part in item.values():
                yield from leaves(part)
        case list() | tuple():
            for part in item:
                yield from leaves(part)
        case _:
            yield item


def holds_itself(item: object, around: tuple[int, ...] = ()) -> bool:
    """Whether a list or table is among its own parts, at any depth: it has leaves without end."""
    if not isinstance(item, dict | list | tuple):
        return False
    inside = (*around, id(item))
    return id(item) in around or any(
        holds_itself(part, inside) for part in (item.values() if isinstance(item, dict) else item)
    )


def as_call(inputs: Sequence[object] | Mapping[str, object] | Call | None) -> Call | None:
    """The call that a user describes: a sequence of arguments, of which specifications may have names, or a mapping."""
    if holds_itself(inputs):
        raise InputError("A list or table among the inputs holds itself; pass one that ends.")
    match inputs:
        case None | Call():
            return inputs
        case Mapping():
            return Call((), dict(inputs))
        case list() | tuple():
            return _call_of(inputs)
        case _:
            raise InputError(
                f"Inputs are a list of arguments, such as [torch.rand(1, 3)], or a mapping of names to them, not one "
                f"{type(inputs).__name__}."
            )


def _call_of(inputs: Sequence[object]) -> Call:
    positional: list[object] = []
    named: dict[str, object] = {}
    for given in inputs:
        item = parse_input(given) if isinstance(given, str) else given
        if isinstance(item, (InputSpec, PlainSpec)) and item.name is not None:
            _place(named, item.name.split("."), item)
        else:
            positional.append(item if item is not None else given)
    return Call(tuple(positional), named)


def _place(table: dict[str, object], path: Sequence[str], item: InputSpec | PlainSpec) -> None:
    """Put a specification called ``xs.0`` where it belongs in tables of tables."""
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise InputError(f"Input '{item.name}' is part of an input that is given as a whole.")
        table = inner
    if path[-1] in table:
        raise InputError(f"Input '{item.name}' is given twice.")
    table[path[-1]] = item


def cloned(call: Call) -> Call:
    """The same call on copies of its tensors."""
    return call.mapped(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf)


def example_of(call: Call) -> Call:
    """The call with a random tensor for every specification, and plain values for theirs."""
    generator = torch.Generator().manual_seed(0)

    def example(leaf: object) -> object:
        match leaf:
            case InputSpec(kind) | (TensorType() as kind):
                return random_tensor(kind, generator)
            case PlainSpec(value):
                return value
            case str():
                found = parse_input(leaf)
                return leaf if found is None else example(found)
            case _:
                return leaf

    return call.mapped(example)


def type_of(leaf: object) -> TensorType | None:
    """The type of a tensor or of a specification; None for anything else."""
    match leaf:
        case torch.Tensor():
            return tensor_type(leaf)
        case TensorType():
            return leaf
        case InputSpec(kind):
            return kind
        case str():
            return parse_input_spec(leaf).type
        case _:
            return None
