"""Reshapes that give a tensor a shape back that it had before, as masks have that are taken apart and put together."""

from __future__ import annotations

from nnapi_check.analyzer.graph import Node, Ref
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Rewrite, Surroundings
from nnapi_check.coverage_db.cards import Movement

UNCHANGED = "aten.alias.default"
_LONGEST = 8
"""How many reshapes are looked through, so that a chain of many takes a time that grows with it."""


def _match(first: Node, around: Surroundings) -> Match | None:
    """The earlier value itself, where ``first`` is the last of reshapes that begin and end with one shape."""
    wanted = around.graph.type_of(first.outputs[0])
    node: Node | None = first
    for place in range(_LONGEST):
        source = None if node is None else _reshaped(node, around)
        if source is None:
            return None
        if place and around.graph.type_of(source) == wanted:
            return Match(UNCHANGED, {"self": Ref(source)}, nodes=(), at=first, outputs=first.outputs)
        node = around.maker(source)
    return None


def _reshaped(node: Node, around: Surroundings) -> int | None:
    """The value that a node does nothing to but give it a shape."""
    source = node.arguments.get("self")
    is_one = around.known.moves.get(node.op) is Movement.RESHAPE and not node.follows and not node.is_constant
    return source.value if is_one and isinstance(source, Ref) else None


UNDONE_RESHAPE = Rewrite(
    name="undone-reshape",
    title="a reshape to a shape that the tensor had before",
    begins=ByCard.MOVE,
    makes=frozenset({UNCHANGED}),
    match=_match,
)
