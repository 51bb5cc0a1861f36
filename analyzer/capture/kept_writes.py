"""Writes in place to tensors that a TorchScript module holds as constants, or in lists and tables.

PyTorch keeps what is written there for the next run, but takes the tensors for constants when it freezes the module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set

import torch

from nnapi_check.analyzer.capture.item_writes import is_of_module, is_of_tensors, module_classes, writes_tensor
from nnapi_check.analyzer.capture.source_position import op_and_place
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.torchscript import (
    aliases_known,
    attribute_at,
    attributes_read,
    graphs_of,
    has_attribute_at,
    nodes_of_kind,
)

_OF_BLOCKS = ("prim::If", "prim::Loop", "prim::Param")
"""What gives values that may be one of several."""


def refuse_kept_writes(module: torch._C.ScriptModule) -> None:
    """Raise an `InputError` where a module writes to a constant, or to what a list or a table of its own holds."""
    modules = module_classes(module)
    if not any(_may_keep(graph, modules) for graph in graphs_of(module)):
        return
    graph = module._get_method("forward").graph.copy()
    torch._C._jit_pass_inline(graph)
    nodes = list(_run(graph.nodes(), _Flags(module, graph)))
    writes = [node for node in nodes if writes_tensor(node)]
    kept = [value for node in nodes for value in node.outputs() if _is_kept(value, modules)]
    if not writes or not kept:
        return
    given = {value.unique() for value in graph.inputs()}
    may_share = aliases_known(graph)
    for node in writes:
        origin = _origin(node.inputsAt(0), may_share)
        is_one_of_several = origin.node().kind() in _OF_BLOCKS and origin.unique() not in given
        if _is_kept(origin, modules) or (is_one_of_several and any(may_share(origin, value) for value in kept)):
            raise InputError(
                f"{op_and_place(node)} overwrites a tensor that the model holds as a constant, "
                "in a list or in a table; each run begins with what the one before left there. Keep a state in a "
                "buffer (register_buffer), or write to a copy (x = x.clone())."
            )


def _run(nodes: Iterable[torch._C.Node], flags: _Flags) -> Iterator[torch._C.Node]:
    """The nodes, each followed by those inside it, but for branches that the module's own flags rule out."""
    for node in nodes:
        yield node
        blocks = list(node.blocks())
        known = flags.known(node.input()) if node.kind() == "prim::If" else None
        for block in blocks if known is None else blocks[:1] if known else blocks[1:]:
            yield from _run(block.nodes(), flags)


class _Flags:
    """Truth values that a module and its parts hold, such as whether they are trained, and that no run changes."""

    def __init__(self, module: torch._C.ScriptModule, graph: torch._C.Graph) -> None:
        self._module = module
        self._written = {node.s("name") for node in nodes_of_kind(graph, "prim::SetAttr")}

    def known(self, value: torch._C.Value) -> bool | None:
        """What a value always is, where it is such a flag, or its opposite."""
        node = value.node()
        if node.kind() == "aten::__not__":
            found = self.known(node.input())
            return None if found is None else not found
        names, origin = attributes_read(value)
        path = ".".join(names)
        is_own = origin.node().kind() == "prim::Param" and has_attribute_at(self._module, path)
        flag = attribute_at(self._module, path) if is_own and names[-1] not in self._written else None
        return flag if isinstance(flag, bool) else None


def _may_keep(graph: torch._C.Graph, modules: Set[str]) -> bool:
    """Whether a graph names such tensors, or calls functions, which may."""
    if nodes_of_kind(graph, "prim::CallFunction"):
        return True
    found = (node for kind in ("prim::Constant", "prim::GetAttr") for node in nodes_of_kind(graph, kind))
    return any(_is_kept(node.output(), modules) for node in found)


def _is_kept(value: torch._C.Value, modules: Set[str]) -> bool:
    node, kind = value.node(), value.type()
    if node.kind() == "prim::Constant":
        return is_of_tensors(kind)
    is_container = kind.kind() not in ("TensorType", "OptionalType") and str(kind) not in modules
    return is_of_module(value, modules) and is_container and is_of_tensors(kind)


def _origin(value: torch._C.Value, may_share: Callable[[torch._C.Value, torch._C.Value], bool]) -> torch._C.Value:
    """What a tensor is a view of or was taken out of, as far as the first arguments of ops tell."""
    while value.node().kind().startswith(("aten::", "prim::ListUnpack", "prim::TupleUnpack", "prim::TupleIndex")):
        first = next(iter(value.node().inputs()), None)
        if first is None or not is_of_tensors(first.type()) or not may_share(value, first):
            break
        value = first
    return value
