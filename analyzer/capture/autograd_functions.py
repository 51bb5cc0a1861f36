"""Calls of Python in a trace (`torch.autograd.Function`), replaced by what the trace saw them compute."""

from __future__ import annotations

import torch

from nnapi_check.analyzer.capture.source_position import find_place
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.torchscript import nodes_of_kind

_KIND = "prim::PythonOp"


def inline_autograd_functions(graph: torch._C.Graph) -> None:
    """Replace every call of Python by the ops that the trace saw in it; an `InputError` where it saw none.

    TorchScript can save no call of Python.
    """
    calls = nodes_of_kind(graph, _KIND)
    for call in calls:
        if not call.hasAttribute("Subgraph"):
            raise InputError(
                f"The model calls a Python function at {_place(call)}, which TorchScript cannot save; "
                "write it with PyTorch's ops, or script it (torch.jit.script)."
            )
    if not calls:
        return
    # It puts what was seen into blocks of the calls, those of calls within calls included.
    torch._C._jit_pass_onnx_autograd_function_process(graph)
    for call in nodes_of_kind(graph, _KIND):
        _inline(graph, call)


def _place(call: torch._C.Node) -> str:
    file, line = find_place(str(call.sourceRange()))
    return f"{file}:{line}" if line is not None else "a place not known"


def _inline(graph: torch._C.Graph, call: torch._C.Node) -> None:
    (block,) = call.blocks()
    for inner, given in zip(block.inputs(), call.inputs(), strict=True):
        inner.replaceAllUsesWith(given)
    for node in list(block.nodes()):
        node.moveBefore(call)
    results = list(block.outputs())
    if isinstance(call.output().type(), torch._C.TupleType):
        together = graph.create("prim::TupleConstruct", results, 1)
        together.output().setType(call.output().type())
        together.insertBefore(call)
        results = [together.output()]
    for output, made in zip(call.outputs(), results, strict=True):
        output.replaceAllUsesWith(made)
    call.destroy()
