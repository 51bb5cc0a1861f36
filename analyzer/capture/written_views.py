"""Assignments to a part of a tensor as functional ops: what is assigned is put into the tensor.

`a[..., 2] = p` overwrites a view. Where nobody else sees the storage afterwards, `p` is scattered into the tensor that
the view was taken from, which all that comes later reads in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from nnapi_check.analyzer.capture.aliases import Aliases
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.calls import Operation
from nnapi_check.analyzer.torchscript import insert_constant

_SCATTER = {"aten::slice": ("aten::slice_scatter", 5), "aten::select": ("aten::select_scatter", 3)}
"""By the op that takes a part, what puts one there, and how many inputs the first has."""
_NO_OVERLAP = 0


def scattered_write(
    graph: torch._C.Graph,
    node: torch._C.Node,
    operation: Operation,
    items: Sequence[object],
    known: Mapping[int, object],
    aliases: Aliases,
) -> list[torch._C.Node] | None:
    """Put functional nodes in the place of an in-place one that writes to a part; None where somebody could tell."""
    target = items[0]
    if operation.name != "aten::copy_" or list(node.output().uses()):
        return None
    if not isinstance(target, Draft) or not isinstance(target.type, TensorType):
        return None
    # What overlaps is copied in an order that PyTorch does not state.
    if aliases.set_of(target) in aliases.sets_in(items[1]):
        return None
    takers = _takers(node.inputsAt(0), node.owningBlock())
    if not takers or not _is_unseen(takers[-1].inputsAt(0), node, target, known, aliases):
        return None
    made = _assigned(graph, node, items[1], target.type)
    if made is None:
        return None
    nodes, part = made
    for taker in takers:
        kind, _ = _SCATTER[taker.kind()]
        inputs = list(taker.inputs())
        nodes.append(_insert(graph, node, kind, [inputs[0], part, *inputs[1:]]))
        part = nodes[-1].output()
    takers[-1].inputsAt(0).replaceAllUsesAfterNodeWith(node, part)
    node.destroy()
    return nodes


def _takers(value: torch._C.Value, block: torch._C.Block) -> list[torch._C.Node]:
    """The nodes that took a part of a part, the last one first."""
    found: list[torch._C.Node] = []
    while value.node().kind() in _SCATTER and value.node().owningBlock() is block:
        taker = value.node()
        if taker.inputsSize() != _SCATTER[taker.kind()][1]:
            break
        found.append(taker)
        value = taker.inputsAt(0)
    return found


def _is_unseen(
    root: torch._C.Value, node: torch._C.Node, target: Draft, known: Mapping[int, object], aliases: Aliases
) -> bool:
    """Whether after the write nothing but the whole tensor is read of its storage, and that in the same block."""
    whole, block = known.get(root.unique()), node.owningBlock()
    if not isinstance(whole, Draft) or whole.tensor is None or root.node().owningBlock() is not block:
        return False
    if aliases.has_escaped(target) or torch._debug_has_internal_overlap(whole.tensor) != _NO_OVERLAP:
        return False
    drafts = [*aliases.drafts_with(target), whole, target]
    if any(draft.origin is not None or draft.is_constant or not isinstance(draft.type, TensorType) for draft in drafts):
        return False
    if any(draft.is_real for draft in drafts) or aliases.set_of(whole) != aliases.set_of(target):
        return False
    for value in aliases.values_with(target):
        later = [use.user for use in value.uses() if use.user.isAfter(node)]
        if later and (value.unique() != root.unique() or any(user.owningBlock() is not block for user in later)):
            return False
    return True


def _assigned(
    graph: torch._C.Graph, node: torch._C.Node, source: object, kind: TensorType
) -> tuple[list[torch._C.Node], torch._C.Value] | None:
    """The nodes that give what is assigned the shape of the part, and its value."""
    value = node.inputsAt(1)
    if not isinstance(source, Draft) or not isinstance(source.type, TensorType):
        return None
    if source.type.quant != kind.quant or source.type.dtype is not kind.dtype:
        return None
    if source.type == kind:
        return [], value
    graph.setInsertPoint(node)
    sizes, is_implicit = insert_constant(graph, list(kind.shape)), insert_constant(graph, False)
    graph.setInsertPoint(graph.return_node())
    made = _insert(graph, node, "aten::expand", [value, sizes, is_implicit])
    return [sizes.node(), is_implicit.node(), made], made.output()


def _insert(graph: torch._C.Graph, node: torch._C.Node, kind: str, inputs: Sequence[torch._C.Value]) -> torch._C.Node:
    made = graph.create(kind, list(inputs), 1)
    made.insertBefore(node)
    made.copyMetadata(node)
    made.output().setType(torch._C.TensorType.get())
    return made
