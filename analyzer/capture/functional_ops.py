"""The functional op that stands for an in-place one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nnapi_check.analyzer.errors import OpError
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls
from nnapi_check.analyzer.ops.calls import Operation, evaluate, operation_at, operation_of
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.analyzer.torchscript import insert_constant, nested, tensor_op


def is_in_place(name: str) -> bool:
    """Whether an op overwrites its first argument, by its name: ``aten::add_``, but not ``aten::__or__``."""
    return name.endswith("_") and not name.endswith("__")


def writes_in_place(graph: torch._C.Graph) -> bool:
    """Whether an op of a graph, or of what lies in it, overwrites a tensor or a list."""
    called = map(operation_at, nested(graph.nodes()))
    return any(operation is not None and operation.is_mutable for operation in called)


def functional_form(operation: Operation, node: torch._C.Node) -> Operation | None:
    """The op that computes what an in-place op writes, or None where PyTorch has none."""
    return functional_of(operation) if node.outputsSize() == 1 else None


def functional_of(operation: Operation) -> Operation | None:
    """The op that returns what an in-place op writes, or None where PyTorch has none.

    It takes the same kinds of arguments, which it may call otherwise (`dropout_` has `self`, `dropout` has `input`),
    and its overload may have another name (`pow_.Scalar` writes what `pow.Tensor_Scalar` returns).
    """
    if not is_in_place(operation.name):
        return None
    kinds = [argument.kind for argument in operation.arguments]
    for schema in torch._C._jit_get_schemas_for_operator(operation.name[:-1]):
        functional = operation_of(str(schema))
        if functional.function is None or functional.is_mutable:
            continue
        if [argument.kind for argument in functional.arguments] == kinds:
            return functional
    return None


def make_functional(graph: torch._C.Graph, node: torch._C.Node, kind: str) -> torch._C.Node:
    """Put the functional op in the place of an in-place one; later readers of the overwritten value read its result."""
    target = node.inputsAt(0)
    made = graph.create(kind, list(node.inputs()), 1)
    made.insertBefore(node)
    made.copyMetadata(node)
    made.output().setType(node.output().type())
    node.output().replaceAllUsesWith(made.output())
    target.replaceAllUsesAfterNodeWith(node, made.output())
    node.destroy()
    return made


def replaced(
    graph: torch._C.Graph,
    node: torch._C.Node,
    forms: tuple[Operation, Operation],
    items: Sequence[object],
    calls: BoundedCalls,
) -> tuple[torch._C.Node, Operation]:
    """The node and op of the second form in place of the first, where it gives a tensor of the target's type."""
    operation, functional = forms
    target = items[0]
    try:
        result = evaluate(functional, items, calls)
    except OpError:
        return node, operation
    if not isinstance(target, Draft) or not isinstance(result, torch.Tensor) or tensor_type(result) != target.type:
        return node, operation
    return make_functional(graph, node, functional.name), functional


# An attribute of in-place nodes: how many views lie between what they write to and the whole tensor. It is not saved.
_VIEWS = "nnapi_views"


def let_be_functional(node: torch._C.Node, views: int) -> None:
    """Say that a functional op may take the place of an in-place one, which writes to a view of that many steps."""
    node.i_(_VIEWS, views)


def views_carried(node: torch._C.Node) -> int | None:
    """What `let_be_functional` said of a node; None where nothing was said."""
    return node.i(_VIEWS) if node.hasAttribute(_VIEWS) else None


# An attribute of the nodes that write to an input at the end of a run. It is not saved.
_WRITES_BACK = "nnapi_written_back"


def write_back(graph: torch._C.Graph, target: torch._C.Value, source: torch._C.Value) -> torch._C.Node:
    """Write to an input of the graph, where nothing reads it any more: at the graph's end."""
    graph.setInsertPoint(graph.return_node())
    is_asynchronous = insert_constant(graph, False)
    made = tensor_op(graph, "aten::copy_", [target, source, is_asynchronous])
    made.i_(_WRITES_BACK, 1)
    graph.appendNode(made)
    made.copyMetadata(source.node())
    return made


def writes_back(node: torch._C.Node) -> bool:
    """Whether a node was made by `write_back`."""
    return node.kind() == "aten::copy_" and node.hasAttribute(_WRITES_BACK)
