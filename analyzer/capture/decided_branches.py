"""Conditions that shapes decide, in PyTorch's graph: they make way for the branch that is taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from nnapi_check.analyzer.growing_graph import NodeDraft, nested_drafts
from nnapi_check.analyzer.torchscript import nodes_around


@dataclass(frozen=True, slots=True)
class DecidedBranch:
    """A ``prim::If`` of PyTorch's graph whose condition follows from the inputs' shapes: block ``taken`` is run."""

    node: torch._C.Node
    taken: int


def take_branches(decided: Sequence[DecidedBranch], nodes: Iterable[NodeDraft]) -> None:
    """Put the nodes of each branch that is taken in the place of its condition. ``nodes`` are those of the walk.

    The last decision holds: before that, capture may have tried what did not come true. Where capture carried a
    loop out, every turn of it may have decided otherwise, and the condition stays.
    """
    members = {id(node.torch_node) for node in nested_drafts(nodes)}
    last = {id(branch.node): branch for branch in decided}
    taken = [
        branch
        for key, branch in last.items()
        if key not in members
        and all(id(outer) in members for outer in nodes_around(branch.node) if outer.kind() == "prim::Loop")
    ]
    # Inner conditions first: their results may be those of outer ones.
    for branch in sorted(taken, key=lambda branch: -sum(1 for _ in nodes_around(branch.node))):
        _take(branch)


def _take(branch: DecidedBranch) -> None:
    condition, block = branch.node, list(branch.node.blocks())[branch.taken]
    for node in list(block.nodes()):
        node.moveBefore(condition)
    for output, result in zip(condition.outputs(), list(block.outputs()), strict=True):
        output.replaceAllUsesWith(result)
    condition.destroy()
