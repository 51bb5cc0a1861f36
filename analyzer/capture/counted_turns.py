"""How many turns a loop takes, where that hangs on numbers alone that are known: counters, shapes, breaks at a place.

Nothing is computed but such numbers. What tensors hold is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from nnapi_check.analyzer.errors import OpError
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.calls import call, evaluate, operation_at
from nnapi_check.analyzer.torchscript import is_in

NUMBERS = frozenset({"IntType", "FloatType", "BoolType", "StringType"})
"""Kinds of values that are no tensors and hold none."""
ELEMENT_READS = frozenset(
    f"aten::{name}"
    for name in (
        *("item", "Int", "Float", "Bool", "equal", "is_nonzero"),
        *("IntImplicit", "FloatImplicit", "ScalarImplicit", "ComplexImplicit"),
    )
)
"""Ops that make numbers and truth values of a tensor's elements."""

_PLAIN = (bool, int, float, str)
_OF_SHAPES = frozenset({"aten::size", "aten::len", "aten::dim", "aten::numel"})
"""Ops that read of a tensor what its type tells."""


@dataclass(frozen=True, slots=True)
class _OfElements:
    """What is known of a number that a run makes of elements."""


_OF_ELEMENTS = _OfElements()


@dataclass(frozen=True, slots=True)
class Turns:
    """How many turns a loop takes, and what is known of the numbers that it ends with."""

    count: int
    results: tuple[object, ...]


@dataclass(slots=True)
class Following:
    """How many nodes may still be followed, and whether elements of tensors decided a branch or a loop on the way."""

    left: int
    meets_elements: bool = False


def turns_of(
    loop: torch._C.Node, items: Sequence[object], item_of: Callable[[torch._C.Value], object], following: Following
) -> Turns | None:
    """The turns that a loop takes; None where a run decides it, or where there is too much to follow.

    ``items`` are what is known of the loop's inputs, ``item_of`` tells what is known of a value from outside.
    """
    (body,) = loop.blocks()
    trips, goes_on, *carried = items
    counter, *inputs = body.inputs()
    condition, *outputs = body.outputs()
    if _OF_ELEMENTS in (trips, goes_on):
        following.meets_elements = True
    if not isinstance(trips, int):
        return None
    count = 0
    while goes_on is True and count < trips and following.left > 0:
        known = {counter.unique(): count, **{v.unique(): item for v, item in zip(inputs, carried, strict=True)}}
        turn = _Turn(loop, item_of, known, following)
        turn.follow(body)
        goes_on, carried = turn.item(condition), [turn.item(value) for value in outputs]
        count += 1
    is_over = goes_on is False or (goes_on is True and count == trips)
    return Turns(count, tuple(carried)) if is_over and following.left > 0 else None


@dataclass(slots=True)
class _Turn:
    """The numbers of one turn: what is known of values inside, by their own numbers."""

    loop: torch._C.Node
    item_of: Callable[[torch._C.Value], object]
    known: dict[int, object]
    following: Following

    def item(self, value: torch._C.Value) -> object:
        """What is known of a value; None where that is nothing, or is in the loop no number."""
        if value.unique() in self.known:
            return self.known[value.unique()]
        if is_in(value.node(), self.loop):
            return None
        found = self.item_of(value)
        is_of_run = value.type().kind() in NUMBERS and isinstance(found, Draft)
        return _OF_ELEMENTS if is_of_run else found

    def follow(self, block: torch._C.Block) -> None:
        """Compute the numbers in a block that hang on others, and those of the branches and turns that these take."""
        for node in block.nodes():
            self.following.left -= 1
            if node.kind() == "prim::If":
                self._branch(node)
            elif node.kind() == "prim::Loop":
                self._loop(node)
            elif node.outputsSize() == 1 and node.output().type().kind() in NUMBERS:
                self.known[node.output().unique()] = self._number(node)

    def _branch(self, node: torch._C.Node) -> None:
        condition = self.item(node.input())
        if isinstance(condition, bool):
            taken = list(node.blocks())[0 if condition else 1]
            self.follow(taken)
            self._know(node, [self.item(value) for value in taken.outputs()])
        elif condition is _OF_ELEMENTS:
            self.following.meets_elements = True
            self._know(node, [_OF_ELEMENTS if v.type().kind() in NUMBERS else None for v in node.outputs()])

    def _loop(self, node: torch._C.Node) -> None:
        turns = turns_of(node, [self.item(value) for value in node.inputs()], self.item, self.following)
        if turns is not None:
            self._know(node, turns.results)

    def _know(self, node: torch._C.Node, items: Sequence[object]) -> None:
        self.known.update(zip((value.unique() for value in node.outputs()), items, strict=True))

    def _number(self, node: torch._C.Node) -> object:
        """What is known of the number that a node makes."""
        if node.kind() == "prim::Constant":
            return node.output().toIValue()
        operation = operation_at(node)
        given = [self.item(value) for value in node.inputs()]
        are_plain = all(isinstance(item, _PLAIN) for item in given)
        if _OF_ELEMENTS in given or (node.kind() in ELEMENT_READS and not are_plain):
            return _OF_ELEMENTS
        if operation is None or operation.is_mutable:
            return None
        try:
            if are_plain:
                found = call(operation, given)
            elif node.kind() in _OF_SHAPES and isinstance(given[0], Draft):
                found = evaluate(operation, given)
            else:
                return None
        except OpError:
            return None
        return found if isinstance(found, _PLAIN) else None
