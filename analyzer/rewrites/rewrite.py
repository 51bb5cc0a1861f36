"""What a rewrite is: nodes that mean one op, or the node among those that begin like them which is in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from nnapi_check.analyzer.graph import Argument, Graph, Node, NodeOutput, Reader, TensorType
from nnapi_check.analyzer.quantized_forms import Cards
from nnapi_check.coverage_db.cards import FirstOutput, Movement, OtherCall
from nnapi_check.coverage_db.queries import Registry, open_registry


@dataclass(frozen=True, slots=True)
class KnownOps:
    """What reading a model takes from cards: the ops of which each call is one of another op, those that only move
    elements, those read by their first output alone, and of ``cards`` what calls become on quantized tensors."""

    calls: Mapping[str, OtherCall]
    moves: Mapping[str, Movement]
    first_outputs: Mapping[str, FirstOutput]
    cards: Cards

    @classmethod
    def of(cls, registry: Registry) -> KnownOps:
        """Those of a registry."""
        return cls(registry.calls(), registry.movements(), registry.first_outputs(), registry)


@cache
def shipped_ops() -> KnownOps:
    """Those of this version's cards, which cannot change while it runs."""
    return KnownOps.of(open_registry())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The nodes of one block by id, and the graph around them: who makes and who reads each value.

    ``known`` is what cards say of ops.
    """

    graph: Graph
    nodes: Mapping[Reader, Node]
    readers: Mapping[int, Sequence[Reader]]
    known: KnownOps

    def only_reader(self, value: int) -> Node | None:
        """The node of this block that alone reads a value, once."""
        readers = self.readers[value]
        return self.nodes.get(readers[0]) if len(readers) == 1 else None

    def nodes_that_read(self, value: int) -> list[Node]:
        """The nodes that read a value; none where a block's outputs, or another block, do so too."""
        found = dict.fromkeys(self.readers[value])
        return [self.nodes[reader] for reader in found] if all(reader in self.nodes for reader in found) else []

    def maker(self, value: int) -> Node | None:
        """The node of this block that makes a value."""
        origin = self.graph.values[value].origin
        return self.nodes.get(origin.node) if isinstance(origin, NodeOutput) else None

    def shape(self, value: int) -> tuple[int, ...]:
        """The shape of a value; that of a number where it is not known."""
        kind = self.graph.type_of(value)
        return kind.shape if isinstance(kind, TensorType) else ()


@dataclass(frozen=True, slots=True)
class Match:
    """Nodes that mean one op: the node that is made stands for ``nodes``, in the place of ``at``.

    It stands for none where ``at`` is only called by another name. ``outputs`` are the values it makes, under the ids
    that they have.
    """

    op: str
    arguments: Mapping[str, Argument]
    nodes: tuple[Node, ...]
    at: Node
    outputs: tuple[int, ...]

    def made(self) -> Node:
        """The node that is made."""
        covers = tuple(sorted(node.id for node in self.nodes))
        return replace(self.at, op=self.op, arguments=self.arguments, outputs=self.outputs, covers=covers)


def in_place_of_last(op: str, arguments: Mapping[str, Argument], nodes: Sequence[Node]) -> Match:
    """The match of a run of nodes, of which the last makes the result."""
    return Match(op, arguments, tuple(nodes), nodes[-1], nodes[-1].outputs)


@dataclass(frozen=True, slots=True)
class Miss:
    """Nodes that begin like those of a rewrite: so many of them are as it wants them, and ``at`` is not: ``reason``."""

    matched: int
    at: Node
    reason: str


class ByCard(Enum):
    """Every op of which the card says what it is."""

    MOVE = "it only moves elements"
    FIRST_OUTPUT = "it is read by its first output alone"


class ByForm(Enum):
    """Every op that a card says other ops become."""

    QUANTIZED = "an op on floats becomes it on quantized tensors"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewrite: nodes that begin with one of the ops in ``begins`` become one of ``makes``.

    ``match`` gives a `Miss` only where so much is as it is wanted that the rest is worth telling, and nothing where
    other nodes were meant. ``title`` names what the nodes are, in a sentence.
    """

    name: str
    title: str
    begins: frozenset[str] | ByCard
    makes: frozenset[str] | ByCard | ByForm
    match: Callable[[Node, Surroundings], Match | Miss | None]

    def begins_with(self, known: KnownOps) -> frozenset[str]:
        """The ops that it may begin with."""
        match self.begins:
            case ByCard.MOVE:
                return frozenset(known.moves)
            case ByCard.FIRST_OUTPUT:
                return frozenset(known.first_outputs)
            case ops:
                return ops


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A miss of a captured graph, and the rewrite that it was near to."""

    rewrite: Rewrite
    miss: Miss
