"""The nodes of an expansion in the place of the call that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch

from nnapi_check.analyzer.capture.expansions.expansion import call_of, expansions
from nnapi_check.analyzer.capture.expansions.places import nothing
from nnapi_check.analyzer.capture.functional_ops import writes_in_place
from nnapi_check.analyzer.capture.spellings import op_name
from nnapi_check.analyzer.growing_graph import Draft, drafts_in
from nnapi_check.analyzer.ops.bounded_calls import KERNEL_FAILURES
from nnapi_check.analyzer.ops.calls import Operation
from nnapi_check.analyzer.tensor_types import flat_tensors, tensor_type
from nnapi_check.analyzer.torchscript import inserted, nested


class _Function(Protocol):
    """What PyTorch's stubs leave out of a function of TorchScript."""

    graph: torch._C.Graph

    def __call__(self, *tensors: object) -> object: ...


@dataclass(frozen=True, slots=True)
class Expanded:
    """A function of TorchScript that stands for a call, and which of the call's inputs it takes."""

    function: _Function
    inputs: Sequence[int]

    def in_place_of(self, graph: torch._C.Graph, node: torch._C.Node) -> list[torch._C.Node]:
        """The nodes of the function, in the graph where the call was."""
        return _in_place_of(graph, node, self.function.graph, [node.inputsAt(index) for index in self.inputs])


def expanded(
    graph: torch._C.Graph, operation: Operation, arguments: Mapping[str, object], results: Sequence[object]
) -> Expanded | None:
    """What stands for a call which gives ``results``; None where it has no expansion.

    An expansion stands for a call only where it gives tensors of the same types, and, in a graph that writes to
    tensors, where both give views of what they are given, or neither does. What both refuse is not asked here. A
    tensor without elements needs no call of any op.
    """
    op = op_name(operation)
    is_nothing = len(results) == 1 and isinstance(results[0], torch.Tensor) and not results[0].numel()
    if op not in expansions() and not is_nothing:
        return None
    wanted = [tensor_type(result) for result in flat_tensors(list(results))]
    call = call_of(arguments, wanted)
    body = None if call is None else nothing(call) if is_nothing else expansions()[op](call)
    if body is None:
        return None
    tensors = {name: item for name, item in arguments.items() if list(drafts_in(item))}
    function = _function(tuple((name, isinstance(item, list)) for name, item in tensors.items()), body)
    given = [_on_meta(item) for item in tensors.values()]
    made = _results(function, given)
    if made is None or [tensor_type(result) for result in made] != wanted:
        return None
    is_view = operation.returns_shared or any(_are_views(flat_tensors(list(results)), given))
    if any(found != is_view for found in _are_views(made, given)) and writes_in_place(graph):
        return None
    names = list(arguments)
    return Expanded(function, [names.index(name) for name in tensors])


# TorchScript has no names for what repr() writes of these.
_NOT_FINITE = re.compile(r"\b(inf|nan)\b")


@lru_cache(maxsize=1024)
def _function(tensors: tuple[tuple[str, bool], ...], body: str) -> _Function:
    given = ", ".join(f"{name}: {'List[Tensor]' if is_list else 'Tensor'}" for name, is_list in tensors)
    *before, last = _NOT_FINITE.sub(r'float("\1")', body).strip().splitlines()
    lines = [*before, f"return {last.strip()}"]
    unit = torch.jit.CompilationUnit(
        "\n    ".join([f"def expansion({given}):", *(line.strip() for line in lines)]) + "\n"
    )
    found: _Function = unit.expansion
    return found


def _results(function: _Function, given: Sequence[object]) -> tuple[torch.Tensor, ...] | None:
    """What a function gives; None where an op of it does not take these tensors."""
    try:
        return flat_tensors(function(*given))
    except KERNEL_FAILURES:
        return None


def _are_views(results: Sequence[torch.Tensor], given: Sequence[object]) -> list[bool]:
    """For each result, whether it lies where a given tensor lies."""
    storages = {tensor.untyped_storage()._cdata for tensor in flat_tensors(list(given))}
    return [result.untyped_storage()._cdata in storages for result in results]


def _on_meta(item: object) -> object:
    if isinstance(item, list):
        # A list may have places without a tensor, of which no body reads.
        return [torch.empty(0, device="meta") if part is None else _on_meta(part) for part in item]
    return item.tensor.to("meta") if isinstance(item, Draft) and item.tensor is not None else item


def _in_place_of(
    graph: torch._C.Graph, node: torch._C.Node, function: torch._C.Graph, inputs: Sequence[torch._C.Value]
) -> list[torch._C.Node]:
    graph.setInsertPoint(node)
    made = inserted(graph, function, inputs, node.outputsSize())
    graph.setInsertPoint(graph.return_node())
    nodes: list[torch._C.Node] = []
    at = node
    for _ in function.nodes():
        at = at.prev()
        nodes.append(at)
    for found in nested(nodes):
        found.copyMetadata(node)
    for output, value in zip(node.outputs(), made, strict=True):
        output.replaceAllUsesWith(value)
    node.destroy()
    return nodes[::-1]
