"""Copying the graph of one TorchScript method into another, and finding every value and node in the copy.

Nodes are named by the number of their first output, and values by their own (``unique()``), which hold for as
long as their graph does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch


class PackageError(Exception):
    """The parts cannot be put in the module's place: a fault of this project, never of the user's model."""


def walk(block: torch._C.Block | torch._C.Graph) -> Iterator[torch._C.Node]:
    """Every node of a graph or block, those inside control flow after the node that holds them."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from walk(inner)


NodeKey = int | None
"""What a node is found by: the number of its first output, None where it has none and needs not be found."""


def key_of(node: torch._C.Node) -> NodeKey:
    """What a node of PyTorch's graph is found by."""
    first = next(iter(node.outputs()), None)
    return None if first is None else first.unique()


def written_values(node: torch._C.Node) -> list[torch._C.Value]:
    """The inputs that a node changes in place."""
    schema = node.schema()
    if "!" not in schema:
        return []
    given = zip(node.inputs(), torch._C.parse_schema(schema).arguments, strict=False)
    return [value for value, argument in given if argument.alias_info is not None and argument.alias_info.is_write]


@dataclass(frozen=True, slots=True)
class GraphCopy:
    """A copy of a graph inside a method, and where every value and node of the original is in it.

    ``values`` follow the copy when it is rewritten; other than that nothing here changes. ``shared`` are, by the
    numbers of the copy's values, the sets of values that may share a storage and are overwritten in a run.
    """

    graph: torch._C.Graph
    values: dict[int, torch._C.Value]
    nodes: Mapping[NodeKey, torch._C.Node]
    shared: Mapping[int, frozenset[int]]

    @property
    def self_value(self) -> torch._C.Value:
        """The module that the method belongs to."""
        return next(iter(self.graph.inputs()))


def fill_method(
    module: torch._C.ScriptModule,
    method: str,
    graph: torch._C.Graph,
    shared: Mapping[int, frozenset[int]] = MappingProxyType({}),
) -> GraphCopy:
    """Replace the body of a method that has the inputs of ``graph`` by a copy of it.

    ``shared`` are the sets of the original's values.
    """
    target = refill_method(module, method, graph)
    values = {before.unique(): after for before, after in zip(graph.inputs(), target.inputs(), strict=True)}
    nodes: dict[NodeKey, torch._C.Node] = {}
    for original, copied in zip(walk(graph), walk(target), strict=True):
        if original.kind() != copied.kind():
            raise PackageError(f"copying {original.kind()} gave {copied.kind()}")
        nodes[key_of(original)] = copied
        pairs = list(zip(original.outputs(), copied.outputs(), strict=True))
        for block, copied_block in zip(original.blocks(), copied.blocks(), strict=True):
            pairs += zip(block.inputs(), copied_block.inputs(), strict=True)
        values.update((before.unique(), after) for before, after in pairs)
    sets: dict[int, frozenset[int]] = {}
    for number, members in shared.items():
        if number in values:
            copied_number = values[number].unique()
            sets[copied_number] = sets.get(copied_number, frozenset()) | members
    return GraphCopy(target, values, nodes, sets)


def refill_method(module: torch._C.ScriptModule, method: str, graph: torch._C.Graph) -> torch._C.Graph:
    """Put a copy of a graph in the place of the body of a method with the same inputs."""
    target = module._get_method(method).graph
    old = list(target.nodes())
    old_outputs = len(list(target.outputs()))
    target.setInsertPoint(target.return_node())
    outputs = target.insertGraph(graph, list(target.inputs()))
    for _ in range(old_outputs):
        target.eraseOutput(0)
    for output in outputs:
        target.registerOutput(output)
    for node in reversed(old):
        node.destroy()
    return target
