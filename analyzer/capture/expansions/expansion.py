"""What an expansion is: the TorchScript that stands for one call of an op, and the table of them by op."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch

from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.analyzer.growing_graph import Draft, drafts_in

REAL = frozenset(
    {ElementType.FLOAT32, ElementType.FLOAT64, ElementType.INT64, ElementType.INT32, ElementType.INT16}
    | {ElementType.INT8, ElementType.UINT8, ElementType.BOOL}
)
"""Element types whose calls are expanded: halves are rounded after each op, where one op rounds once."""

WHOLE = frozenset({ElementType.INT64, ElementType.INT32})
"""Whole numbers that NNAPI computes with."""

MAX_PARTS = 64
"""A call is not written as more slices than this."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its arguments by schema name, tensors as their types, and the types of the tensors that it gives.

    ``constants`` are the elements of tensors that are known before a run, ``computed`` are the other tensors, and the
    lists in which there is one.
    """

    arguments: Mapping[str, object]
    outputs: Sequence[TensorType]
    constants: Mapping[str, torch.Tensor]
    computed: frozenset[str]

    def tensor(self, name: str) -> TensorType:
        """The type of a tensor argument."""
        return _of_type(self.arguments[name], TensorType, name)

    def tensors(self, name: str) -> tuple[TensorType, ...]:
        """The types of an argument that is a list of tensors."""
        return tuple(_of_type(item, TensorType, name) for item in _of_type(self.arguments[name], list, name))

    def are_floats(self, *names: str) -> bool:
        """Whether the elements of all these tensors are floats, of 32 or 64 bits."""
        return all(self.tensor(name).dtype in (ElementType.FLOAT32, ElementType.FLOAT64) for name in names)

    def elements(self, name: str) -> list[int] | None:
        """The whole numbers in a tensor, in order; None where only a run knows them."""
        constant = self.constants.get(name)
        if constant is None or constant.is_floating_point():
            return None
        return [int(number) for number in constant.flatten().tolist()]

    def has(self, name: str) -> bool:
        """Whether an optional argument is given."""
        return self.arguments[name] is not None

    def integer(self, name: str) -> int:
        """A whole number."""
        return _of_type(self.arguments[name], int, name)

    def number(self, name: str) -> float:
        """A number."""
        item = self.arguments[name]
        return float(item) if isinstance(item, int) else _of_type(item, float, name)

    def truth(self, name: str) -> bool:
        """A truth value."""
        return _of_type(self.arguments[name], bool, name)

    def integers(self, name: str) -> list[int]:
        """A list of whole numbers."""
        return [_of_type(item, int, name) for item in _of_type(self.arguments[name], list, name)]

    def dimension(self, name: str, of: str = "self") -> int:
        """A dimension of the tensor ``of``, counted from the first."""
        return self.integer(name) % max(self.tensor(of).rank, 1)


def _of_type(item: object, kind: type[T], name: str) -> T:
    if not isinstance(item, kind):
        raise TypeError(f"the argument {name} is {item!r}")
    return item


Expansion = Callable[[Call], str | None]
_EXPANSIONS: dict[str, Expansion] = {}


def expands(*ops: str) -> Callable[[Expansion], Expansion]:
    """Register what gives the body of a TorchScript function for a call of one of ``ops``: statements, or one
    expression. Tensors stand in it under the names of their arguments. None is for calls that mean more."""

    def register(expansion: Expansion) -> Expansion:
        for op in ops:
            if op in _EXPANSIONS:
                raise ValueError(f"{op} is expanded twice")
            _EXPANSIONS[op] = expansion
        return expansion

    return register


@cache
def expansions() -> Mapping[str, Expansion]:
    """The expansions by op."""
    package = __name__.rpartition(".")[0]
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{found.name}")
    return _EXPANSIONS


def call_of(arguments: Mapping[str, object], results: Sequence[TensorType]) -> Call | None:
    """The call with these arguments; None where one is known in a run alone, or a tensor is none of real numbers."""
    known: dict[str, object] = {}
    for name, item in arguments.items():
        parts = item if isinstance(item, list) else [item]
        kinds = [part.type if isinstance(part, Draft) else part for part in parts]
        if not all(_is_known(kind) for kind in kinds):
            return None
        known[name] = kinds if isinstance(item, list) else kinds[0]
    drafts = {name: item for name, item in arguments.items() if isinstance(item, Draft) and item.is_constant}
    constants = {name: item.tensor for name, item in drafts.items() if item.tensor is not None and item.is_real}
    computed = frozenset(
        name for name, item in arguments.items() if not all(draft.is_constant for draft in drafts_in(item))
    )
    return Call(known, results, constants, computed) if all(_is_known(kind) for kind in results) else None


def _is_known(kind: object) -> bool:
    if isinstance(kind, TensorType):
        return kind.dtype in REAL and not kind.is_quantized
    return kind is None or isinstance(kind, (bool, int, float, str, torch.device))
