"""Tensors that an exported program rounds to 8 bits of their own range, as dynamic quantization does.

Three ops of ``quantized_decomposed`` do it: one chooses a scale and a zero point, one quantizes, one dequantizes. They
are written as one run of nodes for each reader, always the same, so that reading a layer with it becomes one op.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from nnapi_check.analyzer.capture.decomposed_arithmetic import arithmetic_graphs
from nnapi_check.analyzer.torchscript import constant, insert_constant, nodes_of_kind

_SPACE = "quantized_decomposed::"
_WHOLE = {(0, 255, 0), (-128, 127, 1)}
"""The least and the greatest step, and PyTorch's number, of types of 8 bits."""

_FLOAT32 = 6


@dataclass(frozen=True, slots=True)
class _OwnRange:
    """What is rounded to its own range: the three nodes that do, and the least scale."""

    choose: torch._C.Node
    quantize: torch._C.Node
    dequantize: torch._C.Node
    eps: float


def nodes_of_own_ranges(graph: torch._C.Graph) -> frozenset[int]:
    """The first results of the nodes that `express_own_ranges` writes."""
    nodes = (node for found in _own_ranges(graph) for node in (found.choose, found.quantize, found.dequantize))
    return frozenset(node.outputsAt(0).unique() for node in nodes)


def express_own_ranges(graph: torch._C.Graph) -> bool:
    """Write what is rounded to its own range as a run of nodes for each that reads it; whether there was any."""
    found = list(_own_ranges(graph))
    for own in found:
        for use in list(own.dequantize.output().uses()):
            graph.setInsertPoint(use.user)
            given = [own.quantize.inputsAt(0), insert_constant(graph, 255.0), insert_constant(graph, own.eps)]
            (made,) = graph.insertGraph(arithmetic_graphs()["round_to_own_range"], given)
            use.user.replaceInput(use.offset, made)
        own.dequantize.destroy()
    graph.setInsertPoint(graph.return_node())
    return bool(found)


def _own_ranges(graph: torch._C.Graph) -> Iterator[_OwnRange]:
    for node in nodes_of_kind(graph, f"{_SPACE}dequantize_per_tensor"):
        quantize = node.inputsAt(0).node()
        if not _is_tensors(node, "dequantize_per_tensor") or not _is_tensors(quantize, "quantize_per_tensor"):
            continue
        choose = quantize.inputsAt(1).node()
        if not _is_tensors(choose, "choose_qparams") or quantize.inputsAt(0).unique() != choose.inputsAt(0).unique():
            continue
        chosen = [value.unique() for value in choose.outputs()]
        if any([reader.inputsAt(1).unique(), reader.inputsAt(2).unique()] != chosen for reader in (quantize, node)):
            continue
        low, high, eps, number = (constant(choose.inputsAt(place)) for place in range(1, 5))
        kinds = [[constant(reader.inputsAt(place)) for place in (3, 4, 5)] for reader in (quantize, node)]
        is_same = kinds == [[low, high, number]] * 2 and (low, high, number) in _WHOLE
        if is_same and isinstance(eps, float) and constant(node.inputsAt(6)) in (None, _FLOAT32):
            yield _OwnRange(choose, quantize, node, eps)


def _is_tensors(node: torch._C.Node, name: str) -> bool:
    """Whether a node is this op with a scale and a zero point that tensors hold, or that makes such."""
    return node.kind() == _SPACE + name and torch._C.parse_schema(node.schema()).overload_name == "tensor"
