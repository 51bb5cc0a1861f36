"""Numbers beside tensors of rank 0, given the element type that they take there.

A trace writes a number as a tensor of rank 0 that knows that it was one. A file does not keep that, and two tensors of
rank 0 give the wider of their types: what is float32 in the trace would be float64 in the package.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.torchscript import constant, insert_constant, nodes_of_kind


def type_numbers(graph: torch._C.Graph, item_of: Callable[[torch._C.Value], object]) -> None:
    """Replace the numbers of a graph whose values were typed; ``item_of`` tells what a value is."""
    for node in nodes_of_kind(graph, "prim::Constant"):
        number = constant(node.output())
        if not isinstance(node.output().type(), torch._C.TensorType) or not isinstance(number, (int, float)):
            continue
        for use in list(node.output().uses()):
            others = [value for place, value in enumerate(use.user.inputs()) if place != use.offset]
            beside = [found.tensor for found in map(item_of, others) if isinstance(found, Draft)]
            ranked = [tensor for tensor in beside if tensor is not None and tensor.dim() == 0]
            if ranked and len(ranked) == len(beside):
                dtype = torch.result_type(ranked[0], number)
                graph.setInsertPoint(use.user)
                use.user.replaceInput(use.offset, insert_constant(graph, torch.tensor(number, dtype=dtype)))
