"""The form every TorchScript module is brought into before it is typed.

Calls are inlined, attributes that are no tensors become constants, lists of constant tensors hold values, and in-place
ops become functional where PyTorch can prove that nobody sees the difference. Tensors stay attributes, reached from the
module by their path, so that the form is the same whether or not their elements were read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from nnapi_check.analyzer.capture.autograd_functions import inline_autograd_functions
from nnapi_check.analyzer.capture.decomposed_quantization import (
    express_decomposed_quantization,
    express_rest,
    split_dequantizes,
)
from nnapi_check.analyzer.capture.growth import refuse_exploding_constants
from nnapi_check.analyzer.capture.item_writes import refuse_dropped_writes
from nnapi_check.analyzer.capture.kept_writes import refuse_kept_writes
from nnapi_check.analyzer.capture.own_ranges import express_own_ranges
from nnapi_check.analyzer.capture.parsed_names import parse_names
from nnapi_check.analyzer.capture.unseen_writes import may_write_unseen
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.ops.allowed_ops import FILE_OPS
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls, Bounds
from nnapi_check.analyzer.ops.calls import operation_of
from nnapi_check.analyzer.ops.packed_ops import packed_elements
from nnapi_check.analyzer.torchscript import (
    constant,
    graphs_of,
    has_method,
    insert_constant,
    is_own_class,
    nodes_of_kind,
)

OF_CONVERTED = ("use_cpu", "use_nnapi", "nnapi_serialized")
"""Methods that a converted model has, and no model of anybody's."""

_WHEN_FROZEN = Bounds(1 << 24, 1 << 26)
_PURE = frozenset(
    f"prim::{kind}"
    for kind in (
        *("Constant", "If", "Loop", "ListConstruct", "ListUnpack", "TupleConstruct", "TupleUnpack", "TupleIndex"),
        *("GetAttr", "NumToTensor", "Uninitialized", "dtype", "device", "max", "min", "unchecked_cast"),
    )
)
_MARKS = tuple(f"profiler::_record_function_{kind}" for kind in ("exit", "enter", "enter_new"))
"""What ends a mark for a profiler, which is read by nothing, and then what began it."""
_EFFECTS = frozenset({"aten::manual_seed", "aten::save", "aten::warn"})
"""Ops that do something besides what they return, which their schemas do not tell."""


def refuse_converted(module: torch._C.ScriptModule, name: str) -> None:
    """Raise an `InputError` for what a conversion wrote: its ops are those of choosing between NNAPI and the CPU."""
    if all(has_method(module, method) for method in OF_CONVERTED):
        raise InputError(
            f"{name} is converted already: `nnapi-check inspect` shows the NNAPI models in it, and "
            "`nnapi-check verify` compares its numbers; pass the model that it was made from."
        )


def refuse_file_ops(module: torch._C.ScriptModule, path: Path) -> None:
    """Raise an `InputError` where ``forward`` calls an op that reads or writes files, or makes a huge constant list.

    A stranger's model must do neither; PyTorch makes such a list when it freezes the module.
    """
    if not has_method(module, "forward"):
        return
    graph = module._get_method("forward").graph.copy()
    torch._C._jit_pass_inline(graph)
    refuse_exploding_constants(graph, path)
    found = next((kind for kind in sorted(FILE_OPS) if nodes_of_kind(graph, kind)), None)
    if found is not None:
        raise InputError(
            f"{path} calls {found}, which reads or writes files; leave that to the app, or allow it for a trusted file."
        )


def normalize(module: torch._C.ScriptModule) -> torch._C.ScriptModule:
    """A copy of the module in normal form. The module must be in evaluation mode and have a ``forward``."""
    if not has_method(module, "forward"):
        raise InputError("The model has no method 'forward'; nothing can be said about what it computes.")
    _inline_passed_modules(module)
    refuse_dropped_writes(module)
    refuse_kept_writes(module)
    with torch.no_grad():
        # Freezing copies the modules, for which it unpacks what they hold packed.
        bounds = replace(_WHEN_FROZEN, in_all=_WHEN_FROZEN.in_all + packed_elements(module))
        # It computes what depends on constants alone.
        with BoundedCalls(bounds, for_torch=True):
            frozen: torch._C.ScriptModule = torch._C._freeze_module(module, [], True, True)
            if express_decomposed_quantization(frozen, module._get_method("forward").graph):
                # What is stored as quantized tensors now is read as integers no more.
                frozen = torch._C._freeze_module(frozen, [], True, True)
                split_dequantizes(frozen._get_method("forward").graph)
                if express_own_ranges(frozen._get_method("forward").graph):
                    express_rest(frozen)
        graph = frozen._get_method("forward").graph
        parse_names(graph)
        inline_autograd_functions(graph)
        # What runs beside the rest computes the same in its place.
        torch._C._jit_pass_inline_fork_wait(graph)
        _drop_profiling(graph)
        _unpack_constant_lists(graph)
        if may_write_unseen(graph):
            # PyTorch's passes would move and drop writes; the walk knows what lies where.
            return frozen
        torch._C._jit_pass_remove_mutation(graph)
        torch._C._jit_pass_dce(graph)
        if _drop_unread_loops(graph):
            torch._C._jit_pass_dce(graph)
    return frozen


def _inline_passed_modules(module: torch._C.ScriptModule) -> None:
    """Inline ``forward`` where a module is handed to a method of another, as heads are to a decoder.

    Freezing copies the classes of modules, and of such a module it would read the old one's attributes and drop the
    new one's. The module computes the same afterwards.
    """
    calls = (node for graph in graphs_of(module) for node in nodes_of_kind(graph, "prim::CallMethod"))
    if any(is_own_class(value.type()) for node in calls for value in list(node.inputs())[1:]):
        torch._C._jit_pass_inline(module._get_method("forward").graph)


def _drop_profiling(graph: torch._C.Graph) -> None:
    """Drop the marks that `torch.profiler.record_function` leaves, which compute nothing."""
    for kind in _MARKS:
        for node in nodes_of_kind(graph, kind):
            if not any(list(output.uses()) for output in node.outputs()):
                node.destroy()


def _drop_unread_loops(graph: torch._C.Graph) -> bool:
    """Drop every loop that has no effect and of which nothing is read, which PyTorch keeps; whether there was one."""
    found = False
    # The last one first: nothing may be read of a loop once another one is gone.
    for loop in reversed(nodes_of_kind(graph, "prim::Loop")):
        if not any(list(output.uses()) for output in loop.outputs()) and not _has_effects(loop):
            loop.destroy()
            found = True
    return found


def _has_effects(node: torch._C.Node) -> bool:
    """Whether more is known of a node afterwards than its outputs, or that is not known."""
    kind = node.kind()
    if kind in _PURE:
        return any(_has_effects(inner) for block in node.blocks() for inner in block.nodes())
    return not kind.startswith("aten::") or kind in _EFFECTS or operation_of(node.schema()).is_mutable


def _unpack_constant_lists(graph: torch._C.Graph) -> None:
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
