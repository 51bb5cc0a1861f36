"""A graph with other graphs in place of some of its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nnapi_check.analyzer.graph import (
    Argument,
    Block,
    Graph,
    Node,
    NodeOutput,
    Ref,
    RefList,
    SourcePosition,
    TensorType,
    Unknown,
    Value,
)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A ``graph`` in place of a node: its inputs are the values ``read``, and its outputs those of the node."""

    graph: Graph
    read: tuple[int, ...]


def fits(node: Node, replacement: Graph, graph: Graph) -> bool:
    """Whether a graph gives tensors of the types that a node gives, the first of them at least."""
    given = [replacement.type_of(value) for value in replacement.body.outputs]
    wanted = [graph.type_of(value) for value in node.outputs[: len(given)]]
    return bool(given) and given == wanted and all(isinstance(kind, TensorType) for kind in given)


def spliced(graph: Graph, replacements: Mapping[int, Replacement]) -> Graph:
    """The graph with these in place of the nodes of these ids. Values and nodes have other ids than before."""
    splicing = _Splicing()
    scope = _Scope(graph, splicing)
    body = splicing.block(graph.body, scope, replacements)
    return Graph(graph.name, tuple(splicing.values), body)


@dataclass(slots=True)
class _Scope:
    """The values of one graph by their ids there, as they are numbered now."""

    graph: Graph
    splicing: _Splicing
    known: dict[int, int] = field(default_factory=dict)
    nodes: dict[int, int] = field(default_factory=dict)

    def value(self, id_: int) -> int:
        if id_ not in self.known:
            value = self.graph.values[id_]
            self.known[id_] = len(self.splicing.values)
            self.splicing.values.append(replace(value, id=self.known[id_]))
        return self.known[id_]

    def argument(self, argument: Argument) -> Argument:
        match argument:
            case Ref(value):
                return Ref(self.value(value))
            case RefList(values):
                return RefList(tuple(None if value is None else self.value(value) for value in values))
            case Unknown(reason, values):
                return Unknown(reason, tuple(map(self.value, values)))
            case _:
                return argument


@dataclass(slots=True)
class _Splicing:
    """Values and nodes while they are numbered anew, in execution order."""

    values: list[Value] = field(default_factory=list)
    made: int = 0

    def block(self, block: Block, scope: _Scope, replacements: Mapping[int, Replacement]) -> Block:
        inputs = tuple(map(scope.value, block.inputs))
        nodes = tuple(self.nodes(block.nodes, scope, replacements))
        results = tuple(map(scope.argument, block.results))
        return Block(inputs, nodes, tuple(map(scope.value, block.outputs)), results)

    def nodes(self, nodes: Sequence[Node], scope: _Scope, replacements: Mapping[int, Replacement]) -> Iterator[Node]:
        same: dict[tuple[str, str], tuple[int, ...]] = {}
        for node in nodes:
            found = replacements.get(node.id)
            if found is None:
                yield self.node(node, scope, replacements, node.source)
                continue
            inner = _Scope(found.graph, self)
            inner.known.update(zip(found.graph.body.inputs, map(scope.value, found.read), strict=True))
            for other in found.graph.body.nodes:
                # What two edits compute of the same values is computed once, as reading a model would find.
                key = (other.op, repr([(name, inner.argument(item)) for name, item in other.arguments.items()]))
                if key in same:
                    inner.known.update(zip(other.outputs, same[key], strict=True))
                    continue
                made = self.node(other, inner, {}, node.source)
                same[key] = made.outputs
                yield made
            # What it does not give, nothing reads.
            scope.known.update(zip(node.outputs, map(inner.value, found.graph.body.outputs), strict=False))

    def node(self, node: Node, scope: _Scope, replacements: Mapping[int, Replacement], source: SourcePosition) -> Node:
        """The node with the values it reads and makes as they are numbered now."""
        id_ = self.made
        self.made += 1
        scope.nodes[node.id] = id_
        renamed = replace(node, arguments={name: scope.argument(item) for name, item in node.arguments.items()})
        read = list(renamed.inputs())
        # What an edit computes of constants alone is one, although its inputs were none when it was read.
        is_constant = node.is_constant or (bool(read) and all(self.values[value].is_constant for value in read))
        blocks = tuple(self.block(block, scope, replacements) for block in node.blocks)
        outputs = tuple(map(scope.value, node.outputs))
        for place, value in enumerate(outputs):
            origin = NodeOutput(id_, place)
            constant = self.values[value].is_constant or (is_constant and not blocks)
            self.values[value] = replace(self.values[value], origin=origin, is_constant=constant)
        follows = tuple(scope.nodes[other] for other in node.follows if other in scope.nodes)
        return replace(
            renamed,
            id=id_,
            outputs=outputs,
            blocks=blocks,
            is_constant=is_constant and not blocks,
            follows=follows,
            source=source,
        )
