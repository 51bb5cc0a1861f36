"""Sizes of inputs that a user chooses: ``x.2=224,320`` are two of dimension 2 of input ``x``, counted from 0."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.inputs.taken_shapes import TakenShape, VaryingSize, refuse_others, size_of, solve

MOST_SIZES = 16
"""So many models of one NNAPI may be asked for at most: each is compiled, and held, by itself."""

EXAMPLE = "x.2=224,320"
_NAME = r"[A-Za-z_][\w.]*\.\d+"
_SIZES = re.compile(rf"{_NAME}=\d+(?:,(?:{_NAME}=)?\d+)*")

Chosen = Mapping[str, int]
"""One size of each dimension that is named, by names such as ``x.2``."""


def parse_sizes(texts: Sequence[str]) -> tuple[Chosen, ...]:
    """Every combination of the sizes that are chosen, in order.

    A text has the sizes of one dimension, or of several: ``x.2=480,640,x.3=320``. Texts about the same dimensions add
    combinations, and those about others multiply them. Raises ``InputError``.
    """
    groups: dict[frozenset[str], list[Chosen]] = {}
    for text in texts:
        sizes = _parsed(text)
        found = [dict(zip(sizes, values, strict=True)) for values in product(*sizes.values())]
        groups.setdefault(frozenset(sizes), []).extend(found)
    names = [name for group in groups for name in sorted(group)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"Sizes of {twice} are given beside different others; give them beside the same ones each time."
        )
    every = [{name: size for one in group for name, size in one.items()} for group in product(*groups.values())]
    different = list({tuple(sorted(one.items())): one for one in every}.values()) if texts else []
    if len(different) > MOST_SIZES:
        raise InputError(f"{len(different)} sizes are asked for; one file holds at most {MOST_SIZES}.")
    return tuple(different)


def _parsed(text: str) -> dict[str, list[int]]:
    if _SIZES.fullmatch(text.strip()) is None:
        raise InputError(
            f"'{text}' names no sizes; write the input, the dimension counted from 0, and sizes, such as {EXAMPLE}."
        )
    sizes: dict[str, list[int]] = {}
    name = ""
    for item in text.strip().split(","):
        before, is_named, number = item.rpartition("=")
        name = before if is_named else name
        size = int(number)
        if not 0 < size < 1 << 31:
            raise InputError(f"'{text}': {number} is no size of an input; a size is 1 to 2147483647.")
        if size not in sizes.setdefault(name, []):
            sizes[name].append(size)
    return sizes


def resized_types(
    names: Sequence[str], types: Sequence[TensorType], taken: Sequence[TakenShape], chosen: Chosen
) -> tuple[TensorType, ...]:
    """The types of inputs with the sizes that are chosen, and those that hang on them.

    ``taken`` are the shapes that the model takes, where that is known. Raises ``InputError`` for a size that there is
    not, or that it does not take.
    """
    shapes = {name: list(kind.shape) for name, kind in zip(names, types, strict=True)}
    places = {f"{name}.{axis}": (name, axis) for name, shape in shapes.items() for axis in range(len(shape))}
    for place in chosen:
        if place not in places:
            raise InputError(f"The model has no size {place}; {_said_sizes(names, types, taken)}.")
    given = dict(zip(names, taken, strict=True)) if taken else {}
    sizes = {place: given[name].sizes[axis] for place, (name, axis) in places.items() if name in given}
    stated = solve((sizes[place], size) for place, size in chosen.items() if place in sizes)
    for place, number in chosen.items():
        size = sizes.get(place)
        if isinstance(size, VaryingSize) and len(size.symbols) == 1 and size.symbols[0] not in stated:
            raise InputError(f"{place} is {number}; the program takes {size.expression} there, of whole numbers.")
    for place, (name, axis) in places.items():
        size = sizes.get(place)
        hangs_on = isinstance(size, VaryingSize) and any(symbol in stated for symbol in size.symbols)
        found = size_of(size, stated) if isinstance(size, VaryingSize) and hangs_on else None
        shapes[name][axis] = chosen.get(place, found if found is not None else shapes[name][axis])
    refuse_others(given, shapes)
    return tuple(replace(kind, shape=tuple(shapes[name])) for name, kind in zip(names, types, strict=True))


def _said_sizes(names: Sequence[str], types: Sequence[TensorType], taken: Sequence[TakenShape]) -> str:
    if not taken:
        sizes = [f"{name}.{axis}" for name, kind in zip(names, types, strict=True) for axis in range(len(kind.shape))]
        return f"its sizes are {', '.join(sizes)}" if sizes else "it takes no tensors with sizes"
    varying = list(varying_sizes(names, taken))
    if not varying:
        return "all of its sizes are fixed; export it with torch.export.Dim"
    return f"those that vary are {', '.join(f'{place} ({size.said})' for place, size in varying)}"


def varying_sizes(names: Sequence[str], taken: Sequence[TakenShape]) -> Iterator[tuple[str, VaryingSize]]:
    """The sizes that may vary, by their names."""
    for name, shape in zip(names, taken, strict=True):
        for axis, size in enumerate(shape.sizes):
            if isinstance(size, VaryingSize):
                yield f"{name}.{axis}", size


def resized_call(call: Call, types: Sequence[TensorType]) -> Call:
    """A call whose tensors have these types' sizes, in order: cut, or with their elements repeated.

    Elements stay what an app may pass, such as numbers of words.
    """
    rest = iter(types)
    return call.mapped(lambda leaf: _resized(leaf, next(rest).shape) if isinstance(leaf, torch.Tensor) else leaf)


def _resized(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    for axis, size in enumerate(shape):
        if tensor.shape[axis] not in (size, 0):
            tensor = tensor.index_select(axis, torch.arange(size) % tensor.shape[axis])
    return tensor


def another_size(
    names: Sequence[str],
    types: Sequence[TensorType],
    taken: Sequence[TakenShape],
    used: Collection[Sequence[TensorType]],
) -> tuple[TensorType, ...] | None:
    """The types of inputs of one size that is not ``used`` yet, near those given. None where none is found."""
    known = {tuple(one) for one in used}
    for place, size in varying_sizes(names, taken) if taken else ():
        name, _, axis = place.rpartition(".")
        now = types[list(names).index(name)].shape[int(axis)]
        for other in (now + 1, now - 1, now * 2, now // 2, now + 32, now - 32, size.least):
            try:
                found = resized_types(names, types, taken, {place: other}) if other > 0 else ()
            except InputError:
                continue
            if found and found not in known:
                return found
    return None
