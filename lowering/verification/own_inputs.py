"""Which values of a graph are computed of what PyTorch has for their inputs, where some values are given so."""

from __future__ import annotations

from collections.abc import Collection

from nnapi_check.analyzer.graph import Graph, TensorType


def on_own_inputs(graph: Graph, given: Collection[int]) -> frozenset[int]:
    """The values whose nodes read given values alone, constants, and floats that are computed of such.

    What is quantized between two given values, as where several ops became one operation, is neither given nor own.
    """
    known = {value.id for value in graph.values if value.is_constant} | set(given) | set(graph.body.inputs)
    own: set[int] = set()
    for node in graph.nodes():
        if not node.blocks and all(value in known for value in node.inputs()):
            own.update(node.outputs)
            known.update(value for value in node.outputs if not _is_quantized(graph, value))
    return frozenset(own)


def _is_quantized(graph: Graph, value: int) -> bool:
    kind = graph.values[value].type
    return isinstance(kind, TensorType) and kind.is_quantized
