"""Large whole floats, such as 1e12, which PyTorch writes into a file as integers and then does not read as floats."""

from __future__ import annotations

import torch

from nnapi_check.analyzer.torchscript import constant, insert_constant
from nnapi_check.lowering.packaging.graph_copy import walk
from nnapi_check.lowering.packaging.script_modules import reset_insert_point

_LOWEST, _HIGHEST = 1e10, 1e17
"""Whole floats of this size and up are written without a point, and from the second on with an exponent."""
_FACTOR = 2.0**60


def write_as_products(graph: torch._C.Graph) -> None:
    """Replace such constants of a graph by products of two floats that PyTorch reads, which are exact."""
    for node in list(walk(graph)):
        number = constant(node.output()) if node.kind() == "prim::Constant" else None
        if not isinstance(number, float) or not _LOWEST <= abs(number) < _HIGHEST or not number.is_integer():
            continue
        graph.setInsertPoint(node)
        factors = [insert_constant(graph, factor) for factor in (number / _FACTOR, _FACTOR)]
        product = graph.create("aten::mul", factors, 1)
        product.output().setType(torch._C.FloatType.get())
        product.insertBefore(node)
        node.output().replaceAllUsesWith(product.output())
        node.destroy()
    reset_insert_point(graph)
