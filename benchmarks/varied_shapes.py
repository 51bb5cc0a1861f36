"""A card's examples where one of their tensors, or all, lose dimensions, gain one, or are broadcast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from nnapi_check.coverage_db.cards import Example

_SHAPE = re.compile(r"^(?P<type>[a-z0-9]+(?:\([^)]*\))?)\[(?P<sizes>[0-9,]*)\](?P<marks>[+!]*)(?: = .*)?$")
_ONE_AXIS = ("dim", "dim0", "dim1", "start_dim", "end_dim")


def shrunken(example: Example) -> Iterator[Example]:
    """One tensor at a time, or all of them, without dimensions, without the first, with one more, or with ones of 1."""
    yield from _all_alike(example)
    yield from _one_by_one(example)


def _all_alike(example: Example) -> Iterator[Example]:
    tensors = tuple(
        (name, _shaped(spec, ()) if isinstance(spec, str) else tuple(_shaped(part, ()) for part in spec))
        for name, spec in example.tensors
    )
    first = tuple((name, 0 if name in _ONE_AXIS and isinstance(item, int) else item) for name, item in example.args)
    for args in dict.fromkeys((example.args, first)):
        yield replace(example, tensors=tensors, args=args)


def _one_by_one(example: Example) -> Iterator[Example]:
    for place, (name, spec) in enumerate(example.tensors):
        for other in _shrunken(spec) if isinstance(spec, str) else _shrunken_parts(spec):
            tensors = (*example.tensors[:place], (name, other), *example.tensors[place + 1 :])
            yield replace(example, tensors=tensors)


def _shrunken_parts(specs: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for place, spec in enumerate(specs):
        for other in _shrunken(spec):
            yield (*specs[:place], other, *specs[place + 1 :])


def _shrunken(spec: str) -> Iterator[str]:
    match = _SHAPE.match(spec)
    if match is None:
        return
    sizes = tuple(size for size in match["sizes"].split(",") if size)
    thin = [(*sizes[:axis], "1", *sizes[axis + 1 :]) for axis in range(len(sizes))]
    for other in dict.fromkeys([(), *thin, ("1",) * len(sizes), sizes[1:], ("1", *sizes)]):
        if other != sizes:
            yield _shaped(spec, other)


def _shaped(spec: str, sizes: tuple[str, ...]) -> str:
    match = _SHAPE.match(spec)
    return spec if match is None else f"{match['type']}[{','.join(sizes)}]{match['marks']}"
