"""What holds of every rewrite that was applied: of the nodes it takes, and of the node it makes. Tests hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Block, End, Graph, Node, NodeOutput, Reader, readers_of
from nnapi_check.analyzer.rewrites.driver import Applied, Rewritten
from nnapi_check.analyzer.rewrites.rewrite import ByCard


@dataclass(frozen=True, slots=True)
class Occasion:
    """One rewrite that was applied, with the graph before and after.

    ``makers`` and ``places`` are of the nodes before, the place of each in its block, and ``stays`` the values that
    nodes still make.
    """

    applied: Applied
    before: Graph
    after: Rewritten
    readers: Mapping[int, list[Reader]]
    makers: Mapping[int, int]
    places: Mapping[int, tuple[int, int]]
    stays: frozenset[int]

    @property
    def taken(self) -> tuple[Node, ...]:
        """The nodes that the new one stands for, or the one that it is another name of."""
        return self.applied.match.nodes or (self.applied.match.at,)

    @property
    def first(self) -> Node:
        """The node that begins them."""
        return min(self.taken, key=lambda node: node.id)

    @property
    def made(self) -> Node:
        """The node that was made."""
        return self.applied.match.made()


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence that holds of every occasion."""

    words: str
    holds: Callable[[Occasion], bool]


def _begins_as_said(on: Occasion) -> bool:
    begins = on.applied.rewrite.begins
    return isinstance(begins, ByCard) or on.first.op in begins


def _is_one_block(on: Occasion) -> bool:
    return len({on.places[node.id][0] for node in (*on.taken, on.applied.match.at)}) == 1


def _depends_on_inputs(on: Occasion) -> bool:
    return not any(node.blocks for node in on.taken) and not (on.first.is_constant or on.applied.match.at.is_constant)


def _keeps_what_others_read(on: Occasion) -> bool:
    ids = {node.id for node in on.taken}
    made = {value for node in on.taken for value in node.outputs}
    return all(ids.issuperset(on.readers[value]) for value in made.difference(on.applied.match.outputs))


def _has_no_order_of_writes(on: Occasion) -> bool:
    ids = {node.id for node in on.applied.match.nodes}
    followed = {other for node in on.before.nodes() for other in node.follows}
    return not ids & followed and not any(node.follows for node in on.applied.match.nodes)


def _makes_as_said(on: Occasion) -> bool:
    makes = on.applied.rewrite.makes
    return not isinstance(makes, frozenset) or on.made.op in makes


def _makes_what_was_made(on: Occasion) -> bool:
    made = [value for node in on.taken for value in node.outputs]
    origins = [on.after.graph.values[value].origin for value in on.made.outputs]
    return set(on.made.outputs) <= set(made) and origins == [
        NodeOutput(on.made.id, place) for place in range(len(on.made.outputs))
    ]


def _reads_what_is_there(on: Occasion) -> bool:
    """What it reads is made before its place, by nodes that stay."""
    ids = {node.id for node in on.taken}
    block, place = on.places[on.made.id]
    for value in on.made.inputs():
        if value in on.makers:
            other, before = on.places[on.makers[value]]
            if value not in on.stays or on.makers[value] in ids or (other == block and before >= place):
                return False
    return True


def _is_there_for_its_readers(on: Occasion) -> bool:
    block, place = on.places[on.made.id]
    ids = {node.id for node in on.taken}
    readers = [reader for value in on.made.outputs for reader in on.readers[value] if not isinstance(reader, End)]
    return all(on.places[reader][0] != block or on.places[reader][1] > place for reader in readers if reader not in ids)


REQUIRES = (
    Invariant("it begins with an op that the rewrite says it begins with", _begins_as_said),
    Invariant("its nodes stand in one block", _is_one_block),
    Invariant("its first and its last node are not constant, and none holds blocks", _depends_on_inputs),
    Invariant("nothing else reads what it no longer makes", _keeps_what_others_read),
    Invariant("none of its nodes has a place in an order of writes", _has_no_order_of_writes),
)
"""Of the nodes that a rewrite takes."""

ENSURES = (
    Invariant("it makes an op that the rewrite says it makes", _makes_as_said),
    Invariant("it makes values that its nodes made, and is their origin", _makes_what_was_made),
    Invariant("what it reads is made before it", _reads_what_is_there),
    Invariant("what it makes is read after it", _is_there_for_its_readers),
)
"""Of the node that it makes."""


def broken(before: Graph, after: Rewritten) -> Iterator[str]:
    """What does not hold of the rewrites that were applied to a graph, one sentence each."""
    readers = readers_of(before)
    makers = {value: node.id for node in before.nodes() for value in node.outputs}
    places = dict(_places(before.body))
    stays = frozenset(value for node in after.graph.nodes() for value in node.outputs)
    for applied in after.applied:
        on = Occasion(applied, before, after, readers, makers, places, stays)
        for invariant in (*REQUIRES, *ENSURES):
            if not invariant.holds(on):
                yield f"{applied.rewrite.name} at node {applied.match.at.id}: it does not hold that {invariant.words}"


def _places(block: Block) -> Iterator[tuple[int, tuple[int, int]]]:
    """The block and the place in it of each node, by id; a block is known by its first node."""
    for place, node in enumerate(block.nodes):
        yield node.id, (block.nodes[0].id, place)
        for inner in node.blocks:
            yield from _places(inner)
