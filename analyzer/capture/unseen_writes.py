"""Writes in place to a tensor that is read by another name too, where TorchScript does not know that the two are one.

Its passes move such a write, or drop it, so that its own run gives other numbers than Python does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from nnapi_check.analyzer.capture.aliases import Aliases, is_held, puts_into_container, readers_after
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import SourcePosition
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.calls import Operation, operation_at
from nnapi_check.analyzer.ops.unseen_views import DROPOUTS, UNSEEN_VIEWS
from nnapi_check.analyzer.torchscript import aliases_known, constant, nested, nodes_of_kind


def may_write_unseen(graph: torch._C.Graph) -> bool:
    """Whether a tensor may be written in place that is read later by a name which TorchScript takes for another's.

    Dropouts that drop nothing are taken out of a graph where it would be so for them.
    """
    found = _unseen_writes(graph)
    if found and _take_out_dropouts(graph):
        found = _unseen_writes(graph)
    return found


def _unseen_writes(graph: torch._C.Graph) -> bool:
    joints = [node for kind in sorted(UNSEEN_VIEWS) for node in nodes_of_kind(graph, kind)]
    if not joints:
        return False
    nodes = list(nested(graph.nodes()))
    writes = [(node, target) for node in nodes for target in _written_by(node)]
    if not writes:
        return False
    may_alias = aliases_known(graph)
    ends = [[value for value in (*joint.inputs(), *joint.outputs()) if _may_hold_tensors(value)] for joint in joints]
    values = [
        value
        for value in (*graph.inputs(), *(value for node in nodes for value in node.outputs()))
        if _may_hold_tensors(value)
    ]
    return any(_is_read_unseen(may_alias, node, target, ends, values) for node, target in writes)


def _is_read_unseen(
    may_alias: Callable[[torch._C.Value, torch._C.Value], bool],
    node: torch._C.Node,
    target: torch._C.Value,
    joints: list[list[torch._C.Value]],
    values: list[torch._C.Value],
) -> bool:
    """Whether what may lie where the target lies, by these joints alone, is read afterwards, or is the module's own.

    A joint is the values of tensors that go into an op and come out of it.
    """
    reached, left, is_growing = [target], list(joints), True
    while is_growing:
        is_growing = False
        for ends in left:
            if any(may_alias(end, value) for end in ends for value in reached):
                left = [other for other in left if other is not ends]
                reached += ends
                is_growing = True
    if len(reached) == 1:
        return False
    for value in values:
        if may_alias(value, target):
            continue
        is_kept = value.node().kind() in ("prim::GetAttr", "prim::Constant")
        if (is_kept or readers_after(value, node)) and any(may_alias(value, end) for end in reached[1:]):
            return True
    return False


def _may_hold_tensors(value: torch._C.Value) -> bool:
    return value.type().kind() not in ("IntType", "FloatType", "BoolType", "StringType", "NoneType", "NumberType")


def _written_by(node: torch._C.Node) -> Iterator[torch._C.Value]:
    """The tensors that a node overwrites, and the lists of those that it does."""
    operation = operation_at(node)
    if operation is not None and operation.is_mutable and not puts_into_container(node, operation):
        pairs = zip(operation.arguments, node.inputs(), strict=False)
        yield from (value for argument, value in pairs if argument.is_written)


def _take_out_dropouts(graph: torch._C.Graph) -> bool:
    """Put the input of each dropout that drops nothing in its place; whether there was one."""
    found = False
    for kind in sorted(DROPOUTS):
        for node in nodes_of_kind(graph, kind):
            if constant(node.inputsAt(2)) is False:
                node.output().replaceAllUsesWith(node.inputsAt(0))
                node.destroy()
                found = True
    return found


def refuse_unseen_write(
    graph: torch._C.Graph,
    node: torch._C.Node,
    operation: Operation,
    items: Sequence[object],
    aliases: Aliases,
    locate: Callable[[torch._C.Node, str | None], SourcePosition],
) -> None:
    """Raise an `InputError` where an op writes to a storage that is reached later by what TorchScript does not see."""
    may_alias = aliases_known(graph)
    for argument, value, target in zip(operation.arguments, node.inputs(), items, strict=False):
        if not argument.is_written or not isinstance(target, Draft):
            continue
        kept = {draft.torch_value.unique() for draft in aliases.drafts_with(target) if is_held(draft)}
        for other in aliases.values_with(target):
            if may_alias(other, value):
                continue
            if other.unique() in kept or readers_after(other, node):
                raise InputError(_fault(graph, node, target, aliases, locate))


def _fault(
    graph: torch._C.Graph,
    node: torch._C.Node,
    target: Draft,
    aliases: Aliases,
    locate: Callable[[torch._C.Node, str | None], SourcePosition],
) -> str:
    names = {value.unique() for value in aliases.values_with(target)}
    joints = (found for kind in sorted(UNSEEN_VIEWS) for found in nodes_of_kind(graph, kind))
    joint = next((found for found in joints if any(value.unique() in names for value in found.outputs())), None)
    maker = "another op" if joint is None else f"{joint.kind().replace('::', '.')} at {locate(joint, None)}"
    written = f"{node.kind().replace('::', '.')} at {locate(node, None)}"
    return (
        f"{written} overwrites a tensor that is read elsewhere too, through what {maker} gives; "
        "TorchScript does not know that the two are one, and computes other numbers than Python. "
        "Write what is not in place there, such as x = x * 2 for x.mul_(2)."
    )
