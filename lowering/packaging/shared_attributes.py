"""The graph of one capture in the module of another: what it reads of its own module, it reads of that one."""

from __future__ import annotations

import torch

from nnapi_check.analyzer.torchscript import attribute_at, attributes_read, has_attribute_at, nodes_of_kind
from nnapi_check.lowering.packaging.constant_store import ConstantStore
from nnapi_check.lowering.packaging.graph_copy import PackageError


def bring_attributes(
    graph: torch._C.Graph, source: torch._C.ScriptModule, target: torch._C.ScriptModule, store: ConstantStore
) -> None:
    """Let a graph read of ``store`` those tensors of its module ``source`` that ``target`` has otherwise."""
    self_value = next(iter(graph.inputs()))
    for read in nodes_of_kind(graph, "prim::GetAttr"):
        path = _path_of(read)
        held = attribute_at(source, path)
        if isinstance(held, torch.Tensor):
            if not _holds(target, path, held):
                read.replaceInputWith(read.input(), self_value)
                read.s_("name", store.attribute_of(held))
        elif not has_attribute_at(target, path):
            raise PackageError(f"the model has {path} at some of its sizes, and not at others")


def _path_of(read: torch._C.Node) -> str:
    names, _ = attributes_read(read.output())
    return ".".join(names)


def _holds(module: torch._C.ScriptModule, path: str, tensor: torch.Tensor) -> bool:
    held = attribute_at(module, path) if has_attribute_at(module, path) else None
    return (
        isinstance(held, torch.Tensor)
        and held.dtype == tensor.dtype
        and held.stride() == tensor.stride()
        and torch.equal(held, tensor)
    )
