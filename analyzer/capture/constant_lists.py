"""Lists of tensors that freezing folded into one constant, taken apart again, so that each tensor is a value."""

from __future__ import annotations

import torch

from nnapi_check.analyzer.torchscript import constant, insert_constant, nodes_of_kind


def unpack_constant_lists(graph: torch._C.Graph) -> None:
    """Replace every constant that is a list with tensors in it by a list of constants (``x[:, indices]`` has one)."""
    for node in nodes_of_kind(graph, "prim::Constant"):
        output = node.output()
        items = constant(output)
        if not isinstance(items, list) or not any(isinstance(item, torch.Tensor) for item in items):
            continue
        graph.setInsertPoint(node)
        parts = [insert_constant(graph, item) for item in items]
        made = graph.create("prim::ListConstruct", parts, 1)
        made.insertBefore(node)
        made.output().setType(output.type())
        output.replaceAllUsesWith(made.output())
        node.destroy()
    graph.setInsertPoint(graph.return_node())
