"""Which outputs may jump: those that an op is on the way to of which its card says so, on NNAPI or on the CPU."""

from __future__ import annotations

from nnapi_check.analyzer.capture.functional_ops import is_in_place
from nnapi_check.analyzer.graph import Graph, Node
from nnapi_check.coverage_db.input_classes import Jump
from nnapi_check.coverage_db.queries import Registry

Ops = frozenset[str]

_NONE: Ops = frozenset()


def jumps_of_outputs(graph: Graph, registry: Registry, count: int) -> tuple[Ops, ...]:
    """The ops that jump on the way to each of a graph's ``count`` outputs; those to any, where outputs are in lists.

    An op of which nothing is known may jump, and what is written in place may be read by anything.
    """
    found: dict[int, Ops] = {}
    everywhere: Ops = _NONE
    for node in graph.nodes():
        if node.is_constant:
            continue
        inside = _inside(node, registry)
        ops = inside.union(*(found.get(value, _NONE) for value in node.inputs()))
        found.update((value, ops | found.get(value, _NONE)) for value in node.outputs)
        if is_in_place(node.op.rpartition(".")[0]):
            everywhere |= ops
    outputs = [found.get(value, _NONE) | everywhere for value in graph.body.outputs]
    return tuple(outputs) if len(outputs) == count else (_NONE.union(*outputs),) * count


def _inside(node: Node, registry: Registry) -> Ops:
    """The ops that jump in a node, and in the blocks that it holds."""
    found = (node, *(inner for block in node.blocks for inner in block.inner_nodes()))
    return frozenset(inner.op for inner in found if _jumps(inner.op, registry))


def _jumps(op: str, registry: Registry) -> bool:
    if op.startswith("prim."):
        return False
    return not registry.has_card(op) or registry.card(op).jumps is not Jump.NONE
