"""Lists of tensors that freezing folded into one constant, taken apart again, so that each tensor is a value."""

from __future__ import annotations

from typing import Protocol, cast

import torch

from analyzer.torchscript import constant, nodes_of_kind


class _EditableGraph(Protocol):
    def insertConstant(self, value: object) -> torch._C.Value: ...  # noqa: N802 - PyTorch's own name


def unpack_constant_lists(graph: torch._C.Graph) -> None:
    """Replace every constant that is a list with tensors in it by a list of constants (``x[:, indices]`` has one)."""
    for node in nodes_of_kind(graph, "prim::Constant"):
        output = node.output()
        items = constant(output)
        if not isinstance(items, list) or not any(isinstance(item, torch.Tensor) for item in items):
            continue
        graph.setInsertPoint(node)
        parts = [cast("_EditableGraph", graph).insertConstant(item) for item in items]
        made = graph.create("prim::ListConstruct", parts, 1)
        made.insertBefore(node)
        made.output().setType(output.type())
        output.replaceAllUsesWith(made.output())
        node.destroy()
    graph.setInsertPoint(graph.return_node())
