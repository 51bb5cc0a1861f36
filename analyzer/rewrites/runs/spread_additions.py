"""A constant that is added to a tensor of rank 5, between two reshapes: the mask of a shifted window attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from nnapi_check.analyzer.graph import Argument, Node, Ref
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Miss, Rewrite, Surroundings, in_place_of_last
from nnapi_check.analyzer.rewrites.runs.moving_nodes import move_of
from nnapi_check.analyzer.rewrites.runs.run import run_from

ADD_SPREAD = "nnapi_check.add_spread.default"
"""The sum with a constant that broadcasts to ``wide``, a reshape of the input: expanded and reshaped to ``shape``."""

_SUM = "aten.add.Tensor"


def _match(first: Node, around: Surroundings) -> Match | Miss | None:
    """A reshape to a higher rank, the sum with a constant there, and a reshape back."""
    run = run_from(first, around)
    wide = () if run is None else run.moves[-1].shape
    if run is None or len(wide) <= MAX_RANK or any(move.order is not None for move in run.moves):
        return None
    addition = around.only_reader(run.result)
    if addition is None or addition.op != _SUM or addition.arguments["self"] != Ref(run.result):
        return None
    matched = len(run.moves)
    other = addition.arguments["other"]
    if (
        addition.arguments["alpha"] != 1
        or not isinstance(other, Ref)
        or not around.graph.values[other.value].is_constant
    ):
        return Miss(matched, addition, "a sum with a constant was wanted")
    last = around.only_reader(addition.outputs[0])
    back = None if last is None else move_of(last, around)
    if last is None or back is None or back.order is not None or back.shape != run.shape:
        return Miss(
            matched + 1, last or addition, f"a reshape back to {list(run.shape)}, and no other reader, was wanted"
        )
    spread = spread_of(around.shape(other.value), wide, run.shape)
    if spread is None:
        return Miss(matched, addition, f"the constant cannot be written in the shape {list(run.shape)}")
    arguments: dict[str, Argument] = {
        "self": Ref(run.moves[0].source),
        "other": other,
        "wide": wide,
        "expanded": spread.wide,
        "shape": spread.narrow,
    }
    return in_place_of_last(ADD_SPREAD, arguments, (*run.nodes, addition, last))


SPREAD_ADDITION = Rewrite(
    name="spread-addition",
    title="a constant added between two reshapes",
    begins=ByCard.MOVE,
    makes=frozenset({ADD_SPREAD}),
    match=_match,
)


@dataclass(frozen=True, slots=True)
class Spread:
    """How a constant of the wide rank becomes one of the narrow rank: expanded to ``wide``, reshaped to ``narrow``."""

    wide: tuple[int, ...]
    narrow: tuple[int, ...]


def spread_of(constant: Sequence[int], wide: Sequence[int], narrow: Sequence[int]) -> Spread | None:
    """How to add a constant, which broadcasts to ``wide``, to the same elements in the shape ``narrow``.

    None where a dimension of ``narrow`` is no product of neighboring dimensions of ``wide``.
    """
    groups = _groups(wide, narrow)
    if groups is None or len(constant) > len(wide):
        return None
    aligned = (1,) * (len(wide) - len(constant)) + tuple(constant)
    expanded = list(aligned)
    for group in groups:
        if any(aligned[axis] != 1 for axis in group):
            for axis in group:
                expanded[axis] = wide[axis]
    return Spread(tuple(expanded), tuple(prod(expanded[axis] for axis in group) for group in groups))


def _groups(wide: Sequence[int], narrow: Sequence[int]) -> list[list[int]] | None:
    """The axes of ``wide`` that each axis of ``narrow`` holds; those of size 1 go where they come first."""
    groups: list[list[int]] = []
    axis = 0
    for size in narrow:
        group: list[int] = []
        count = 1
        while count < size and axis < len(wide):
            group.append(axis)
            count *= wide[axis]
            axis += 1
        if count != size:
            return None
        groups.append(group)
    rest = list(range(axis, len(wide)))
    return groups if all(wide[place] == 1 for place in rest) else None
