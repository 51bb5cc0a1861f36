"""Writes in place to tensors that a TorchScript module holds as constants, or in lists and tables.

PyTorch keeps what is written there for the next run, but takes the tensors for constants when it freezes the module.
"""

from __future__ import annotations

from collections.abc import Set

import torch

from nnapi_check.analyzer.capture.item_writes import is_of_module, is_of_tensors, module_classes, writes_tensor
from nnapi_check.analyzer.capture.source_position import find_place, source_text
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import SourcePosition
from nnapi_check.analyzer.torchscript import aliases_known, nested


def refuse_kept_writes(module: torch._C.ScriptModule) -> None:
    """Raise an `InputError` where a module writes to a constant, or to what a list or a table of its own holds."""
    graph = module._get_method("forward").graph.copy()
    torch._C._jit_pass_inline(graph)
    nodes = list(nested(graph.nodes()))
    modules = module_classes(module)
    writes = [node for node in nodes if writes_tensor(node) and not is_of_module(_origin(node.inputsAt(0)), modules)]
    kept = [value for node in nodes if _gives_kept(node, modules) for value in node.outputs()]
    if not writes or not kept:
        return
    may_share = aliases_known(graph)
    for node in writes:
        if any(may_share(node.inputsAt(0), value) for value in kept):
            place = SourcePosition(*find_place(source_text(node)))
            raise InputError(
                f"{node.kind().replace('::', '.')} at {place} overwrites a tensor that the model holds as a constant, "
                "in a list or in a table; each run begins with what the one before left there. Keep a state in a "
                "buffer (register_buffer), or write to a copy (x = x.clone())."
            )


def _gives_kept(node: torch._C.Node, modules: Set[str]) -> bool:
    if node.kind() == "prim::Constant":
        return node.output().type().kind() == "TensorType" or is_of_tensors(node.output().type())
    if node.kind() != "prim::GetAttr" or str(node.inputsAt(0).type()) not in modules:
        return False
    kind = node.output().type()
    return kind.kind() not in ("TensorType", "OptionalType") and str(kind) not in modules and is_of_tensors(kind)


def _origin(value: torch._C.Value) -> torch._C.Value:
    """What a tensor is a view of, as far as the first arguments of ops tell."""
    while value.node().kind().startswith("aten::") and value.node().inputsSize():
        first = value.node().inputsAt(0)
        if first.type().kind() != "TensorType":
            break
        value = first
    return value
