"""A card's examples where one of their numbers is extreme: those that are left at their defaults too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, nan

import torch

from nnapi_check.analyzer.ops.op_libraries import import_op_libraries
from nnapi_check.coverage_db.card_arguments import OURS
from nnapi_check.coverage_db.cards import Card, Example

FLOATS = (inf, -inf, nan, 0.0, -0.0, -1.5, 1e308, -1e308, 1e39, 1e-320)
"""Infinite and undefined numbers, both zeros, a negative one, and those that float32 does not hold."""

INTEGERS = (0, -1, 2**31, 2**40, -(2**62))
"""None, the last, and those that 32 bits do not hold."""

_UNCHECKED = frozenset(
    {"interpolation_mode", "padding_mode", "sections", "dtype", "stride_h", "stride_w"}
    | {"scales", "scales_d", "scales_h", "scales_w"}
)
"""Numbers of which PyTorch reads or makes what there is not, or divides by them, whatever they are."""

_FLOATS = frozenset({"float", "Optional[float]", "number", "Scalar", "Optional[number]"})


def with_extreme_floats(card: Card, example: Example) -> Iterator[Example]:
    """One number at a time is each of ``FLOATS``."""
    declared = _declared(card.op)
    given = [name for name, value in example.args if isinstance(value, float) and name not in declared]
    names = [name for name, kind in declared.items() if kind in _FLOATS and name not in _UNCHECKED]
    yield from _with_each(example, [*given, *names], FLOATS)


def with_extreme_integers(card: Card, example: Example) -> Iterator[Example]:
    """One integer at a time that the example gives is each of ``INTEGERS``: of PyTorch's ops, which models write."""
    if card.op.startswith(OURS):
        return
    declared = _declared(card.op)
    given = [
        name
        for name, value in example.args
        if isinstance(value, int)
        and not isinstance(value, bool)
        and declared.get(name) not in _FLOATS
        and name not in _UNCHECKED
    ]
    yield from _with_each(example, given, INTEGERS)


def _with_each(example: Example, names: Sequence[str], numbers: Sequence[float]) -> Iterator[Example]:
    given = dict(example.args)
    for name in names:
        if name not in dict(example.tensors):
            yield from (replace(example, args=tuple({**given, name: number}.items())) for number in numbers)


def _declared(op: str) -> dict[str, str]:
    """The arguments of one of PyTorch's ops with their types; of this project's ops, none."""
    namespace, name, overload = op.split(".")
    if namespace == OURS:
        return {}
    import_op_libraries({namespace})
    found = torch._C._jit_get_schemas_for_operator(f"{namespace}::{name}")
    schemas = (schema for schema in found if schema.overload_name == ("" if overload == "default" else overload))
    return {argument.name: str(argument.type) for schema in schemas for argument in schema.arguments}
