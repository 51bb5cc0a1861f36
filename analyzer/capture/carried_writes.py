"""Writes inside branches and loops to tensors that nobody else reads, made ready to become functional ops.

A loop that overwrites a tensor from outside reads in each turn what the last one wrote. Once it carries the tensor
from turn to turn, as if the program assigned it anew, the write is one to a value of its own block. The same holds of a
branch that hands over the tensor, whichever way a run takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from nnapi_check.analyzer.capture.aliases import Aliases, is_held, readers_after
from nnapi_check.analyzer.capture.functional_ops import functional_form, let_be_functional, views_carried
from nnapi_check.analyzer.capture.written_views import is_read_at_once, takers_of
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.calls import operation_of
from nnapi_check.analyzer.torchscript import carry_through_loop, is_in, nodes_around


def carry_writes(graph: torch._C.Graph, known: Mapping[int, object], aliases: Aliases) -> bool:
    """Carry what is overwritten through the branches and loops around the writes; whether more became possible.

    Nothing computes otherwise by that: the graph has new names for the same tensors.
    """
    if not aliases.overwritten():
        return False
    # What is carried gets new names, of which nothing is known.
    found = [
        (node, takers)
        for block in _inner_blocks(graph)
        for node in block.nodes()
        if views_carried(node) is None and (takers := _takers(node, known, aliases)) is not None
    ]
    for node, takers in found:
        root = takers[-1].inputsAt(0) if takers else node.inputsAt(0)
        _carry(root, node)
        let_be_functional(node, len(takers))
    return bool(found)


def _inner_blocks(block: torch._C.Graph | torch._C.Block) -> Iterator[torch._C.Block]:
    for node in block.nodes():
        for inner in node.blocks():
            yield inner
            yield from _inner_blocks(inner)


def _takers(node: torch._C.Node, known: Mapping[int, object], aliases: Aliases) -> list[torch._C.Node] | None:
    """The views from the target of a write to the whole tensor, the last one first; None where somebody could tell."""
    if not node.kind().startswith("aten::") or node.outputsSize() != 1 or not operation_of(node.schema()).is_mutable:
        return None
    target = known.get(node.inputsAt(0).unique())
    if not isinstance(target, Draft) or aliases.has_escaped(target):
        return None
    # What the caller or the module itself holds keeps what was written.
    if any(map(is_held, aliases.drafts_with(target))):
        return None
    if functional_form(operation_of(node.schema()), node) is None:
        return None
    views = takers_of(node.inputsAt(0), node.owningBlock(), known)
    for count in range(len(views) + 1):
        takers = views[:count]
        root = takers[-1].inputsAt(0) if takers else node.inputsAt(0)
        if takers and not is_read_at_once(node, root):
            continue
        others = (value for value in aliases.values_with(target) if value.unique() != root.unique())
        if not any(_is_seen_by(value, node) for value in others):
            return takers
    return None


def _is_seen_by(value: torch._C.Value, node: torch._C.Node) -> bool:
    """Whether a value from before a write is read after it.

    What is made after the write, or handed over by what holds it, is made of values that are read after it.
    """
    maker = value.node()
    if maker is node or maker.isAfter(node) or is_in(node, maker):
        return False
    return bool(readers_after(value, node))


def _carry(root: torch._C.Value, node: torch._C.Node) -> None:
    """Give a value a name of its own in every branch and loop down to a node, and another one after each."""
    home = root.node().owningBlock()
    path: list[torch._C.Node] = []
    for outer in nodes_around(node) if node.owningBlock() is not home else ():
        path.append(outer)
        if outer.owningBlock() is home:
            break
    value = root
    for outer in reversed(path):
        value = _through_loop(outer, value) if outer.kind() == "prim::Loop" else _through_branch(outer, value)


def _through_loop(loop: torch._C.Node, value: torch._C.Value) -> torch._C.Value:
    users = [use for use in value.uses() if is_in(use.user, loop)]
    inner, after = carry_through_loop(loop, value)
    for use in users:
        use.user.replaceInput(use.offset, inner)
    value.replaceAllUsesAfterNodeWith(loop, after)
    return inner


def _through_branch(branch: torch._C.Node, value: torch._C.Value) -> torch._C.Value:
    # Once it is handed over, what comes later has another name.
    if any(use.user.isAfter(branch) for use in value.uses()):
        for block in branch.blocks():
            block.registerOutput(value)
        after = branch.addOutput()
        after.setType(value.type())
        value.replaceAllUsesAfterNodeWith(branch, after)
    return value
