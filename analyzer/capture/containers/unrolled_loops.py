"""Loops of a known count, written down turn by turn, so that what each turn reads, and how long lists are, is known.

What a counter or a list is within a loop depends on the turn. Where the turns are counted, their nodes one after
another are the same program, in which every number is known and no branch hangs on one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nnapi_check.analyzer.capture.containers.list_writes import LIST_WRITES
from nnapi_check.analyzer.capture.counted_turns import NUMBERS
from nnapi_check.analyzer.torchscript import clone_node, insert_constant, is_in, nested

MAX_UNROLLED = 1 << 13
"""Ops that may come of all loops together."""


_CONTAINERS = frozenset({"ListType", "DictType", "ClassType"})


def reaches_outside(loop: torch._C.Node) -> bool:
    """Whether a loop hands on a list from turn to turn, or changes one that is made outside it, or takes out of it."""
    if any(value.type().kind() in ("ListType", "DictType") for value in list(loop.inputs())[2:]):
        return True
    return any(_reaches(node, loop) for block in loop.blocks() for node in nested(block.nodes()))


def _reaches(node: torch._C.Node, loop: torch._C.Node) -> bool:
    """Whether a node changes a container that is made outside a loop, or takes out of it what is no number."""
    is_read = node.kind() == "aten::__getitem__" and node.output().type().kind() not in NUMBERS
    if not is_read and node.kind() not in (*LIST_WRITES, "prim::SetAttr"):
        return False
    held = node.inputsAt(0)
    return held.type().kind() in _CONTAINERS and not is_in(held.node(), loop)


@dataclass(frozen=True, slots=True)
class _Names:
    """What the values of a loop's body are in one turn."""

    known: dict[int, torch._C.Value]

    def of(self, value: torch._C.Value) -> torch._C.Value:
        """The value of this turn; what is made outside the loop is the same in all."""
        return self.known.get(value.unique(), value)


def unroll(graph: torch._C.Graph, loop: torch._C.Node, turns: int) -> None:
    """Put the nodes of every turn in the place of a loop that takes so many, whatever it computes."""
    (body,) = loop.blocks()
    counter, *names = body.inputs()
    _, *results = body.outputs()
    carried = list(loop.inputs())[2:]
    for turn in range(turns):
        graph.setInsertPoint(loop)
        now = _Names({name.unique(): value for name, value in zip(names, carried, strict=True)})
        now.known[counter.unique()] = insert_constant(graph, turn)
        for node in body.nodes():
            made = clone_node(graph, node, now.of)
            made.insertBefore(loop)
            now.known.update((old.unique(), new) for old, new in zip(node.outputs(), made.outputs(), strict=True))
        carried = [now.of(value) for value in results]
    for output, value in zip(loop.outputs(), carried, strict=True):
        output.replaceAllUsesWith(value)
    graph.setInsertPoint(graph.return_node())
    loop.destroy()
