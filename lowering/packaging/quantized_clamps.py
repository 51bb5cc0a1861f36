"""Quantized clamps as PyTorch means them, where QNNPACK's own puts elements of channels-last images elsewhere.

It reads its input in the order in which that lies in memory, and hands the result on as if it lay in the usual order.
Convolutions give channels-last images, so relu6 and hardtanh behind them are scrambled on phones, and would be here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import torch

from nnapi_check.analyzer.ops.dispatched_calls import DispatchedCalls
from nnapi_check.analyzer.torchscript import insert_constant, tensor_op
from nnapi_check.lowering.packaging.graph_copy import walk
from nnapi_check.lowering.packaging.script_modules import reset_insert_point

_CLAMPS = frozenset(
    {
        "aten::clamp",
        "aten::hardtanh",
        "aten::hardtanh_",
        "aten::relu6",
        "aten::relu6_",
        "quantized::clamp",
        "quantized::relu6",
    }
)

_QUANTIZES = frozenset(
    {"aten::quantize_per_tensor", "aten::quantize_per_channel", "aten::_make_per_tensor_quantized_tensor"}
)


def mend_clamps(graph: torch._C.Graph) -> None:
    """Let clamps of a graph with quantized tensors work on copies in the usual order, where theirs is another."""
    for node in _clamps(graph):
        graph.setInsertPoint(node)
        given, is_blocking = node.inputsAt(0), insert_constant(graph, False)
        copied = tensor_op(graph, "aten::contiguous", [given, insert_constant(graph, 0)])
        copied.insertBefore(node)
        node.replaceInput(0, copied.output())
        if node.kind().endswith("_"):
            written = tensor_op(graph, "aten::copy_", [given, node.output(), is_blocking])
            written.insertAfter(node)
            node.output().replaceAllUsesAfterNodeWith(written, written.output())
    reset_insert_point(graph)


def clamps_mended(module: torch.nn.Module) -> AbstractContextManager[object]:
    """The same of a module while it runs, without a change to it."""
    scripted = [part for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    if not scripted or any(_clamps(part.inlined_graph) for part in scripted if hasattr(part, "inlined_graph")):
        return cast("Callable[[], AbstractContextManager[object]]", _MendedClamps)()
    return nullcontext()


def _clamps(graph: torch._C.Graph) -> list[torch._C.Node]:
    """The clamps of a graph that has quantized tensors; none of another."""
    nodes = list(walk(graph))
    is_quantized = any(node.kind().startswith("quantized::") or node.kind() in _QUANTIZES for node in nodes)
    return [node for node in nodes if node.kind() in _CLAMPS] if is_quantized else []


class _MendedClamps(DispatchedCalls):
    """While this is entered, clamps of quantized tensors compute on copies in the usual order."""

    def called(self, op: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Run an op, a clamp of a quantized tensor on a copy."""
        first = args[0] if args else None
        if op._schema.name == "aten::_local_scalar_dense" and not isinstance(first, torch.Tensor):
            # TorchScript hands on a number's tensor as the number itself.
            return first
        if op._schema.name not in _CLAMPS or not isinstance(first, torch.Tensor) or not first.is_quantized:
            return op(*args, **kwargs)
        made: torch.Tensor = op(first.contiguous(), *args[1:], **kwargs)
        return first.copy_(made) if op._schema.is_mutable else made
