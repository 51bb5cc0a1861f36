"""What a walk must know before it begins, and finds out at its end: which values are overwritten in place in a run.

Such values have no type that a lowering could build on, neither before nor after the write: they stay with PyTorch,
in PyTorch's order. What computes them need not: it gets a copy to be overwritten. Constants of the model that are
overwritten are its state, and differ from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch

from nnapi_check.analyzer.capture.aliases import Aliases, become_overwritten
from nnapi_check.analyzer.graph import GraphInput, Literal, Parameter, TensorType
from nnapi_check.analyzer.growing_graph import BlockDraft, Draft, NodeDraft, drafts_in
from nnapi_check.analyzer.torchscript import insert_constant, tensor_op

_COPY, _PERMUTE = "aten::clone", "aten::permute"
_CONTIGUOUS = 0
"""PyTorch's number of the memory format."""


@dataclass(frozen=True, slots=True)
class State:
    """The constants of a model that a run overwrites: paths of attributes, and numbers of values that are literals."""

    paths: frozenset[str] = frozenset()
    literals: frozenset[int] = frozenset()

    def __or__(self, other: State) -> State:
        return State(self.paths | other.paths, self.literals | other.literals)


def state_found(aliases: Aliases) -> State:
    """The constants among what is overwritten in a run."""
    found = [draft for number in aliases.overwritten() for draft in aliases.members(number)]
    return State(
        frozenset(draft.origin.path for draft in found if isinstance(draft.origin, Parameter)),
        frozenset(draft.torch_value.unique() for draft in found if isinstance(draft.origin, Literal)),
    )


def copy_overwritten(graph: torch._C.Graph, aliases: Aliases, known: Mapping[int, object]) -> bool:
    """Let what is overwritten in place be a copy of what an op computes; whether there was anything to copy."""
    made = [
        draft
        for number in aliases.overwritten()
        for draft in aliases.members(number)
        if _is_computed(draft, number, aliases, known)
    ]
    for draft in made:
        _copy(graph, draft)
    return bool(made)


def _is_computed(draft: Draft, number: int, aliases: Aliases, known: Mapping[int, object]) -> bool:
    """Whether an op computes the draft into a storage of its own."""
    value = draft.torch_value
    if (
        draft.base is not None
        or draft.origin is not None
        or draft.is_constant
        or not isinstance(draft.type, TensorType)
    ):
        return False
    if known.get(value.unique()) is not draft:
        # A turn of a loop was typed before it was known what another one leaves.
        return False
    node = value.node()
    if not node.kind().startswith("aten::") or node.kind() == _COPY or value.type().kind() != "TensorType":
        return False
    read = (known.get(item.unique()) for item in node.inputs())
    return all(number not in aliases.sets_in(item) for item in read)


def _copy(graph: torch._C.Graph, draft: Draft) -> None:
    """Read a copy of a value after its node, whose elements lie as PyTorch's own do.

    What NNAPI computes lies in the order of its dimensions, and which ops give views of it depends on that.
    """
    value, order = draft.torch_value, _order_in_memory(draft)
    steps: list[tuple[str, object]] = [(_COPY, None if order is None else _CONTIGUOUS)]
    if order is not None and list(order) != sorted(order):
        turned_back = [order.index(axis) for axis in range(len(order))]
        steps = [(_PERMUTE, list(order)), *steps, (_PERMUTE, turned_back)]
    node = value.node()
    graph.setInsertPoint(node)
    made, last = value, node
    for kind, argument in steps:
        new = tensor_op(graph, kind, [made, insert_constant(graph, argument)])
        new.insertAfter(last)
        new.copyMetadata(node)
        made, last = new.output(), new
    value.replaceAllUsesAfterNodeWith(last, made)
    graph.setInsertPoint(graph.return_node())


def _order_in_memory(draft: Draft) -> tuple[int, ...] | None:
    """The dimensions of a value from the one with the greatest stride on; None where they are not known."""
    if draft.tensor is None or draft.tensor.is_quantized:
        return None
    # A stride says nothing of a dimension of one place.
    sizes, strides = draft.tensor.shape, draft.tensor.stride()
    wide = sorted((axis for axis, size in enumerate(sizes) if size > 1), key=lambda axis: -strides[axis])
    left = iter(wide)
    return tuple(axis if size == 1 else next(left) for axis, size in enumerate(sizes))


def settle(aliases: Aliases, nodes: list[NodeDraft]) -> None:
    """Give all values that are overwritten in a run the type that says so, and every node its place after others."""
    overwritten = aliases.overwritten()
    for number, writer in overwritten.items():
        for draft in aliases.members(number):
            # A constant that a run makes anew is one until it is overwritten.
            if not draft.is_constant or isinstance(draft.origin, GraphInput):
                become_overwritten(draft, writer.op)
    if overwritten:
        _order(nodes, aliases, frozenset(overwritten))


def shared_sets(aliases: Aliases, known: Mapping[int, object]) -> dict[int, frozenset[int]]:
    """By the numbers of PyTorch's values: the sets overwritten in a run that they are, or hold, members of."""
    overwritten = aliases.overwritten().keys()
    if not overwritten:
        return {}
    found = {value: frozenset(aliases.sets_in(item) & overwritten) for value, item in known.items()}
    return {value: numbers for value, numbers in found.items() if numbers}


def _order(nodes: Iterable[NodeDraft], aliases: Aliases, overwritten: frozenset[int]) -> tuple[set[int], set[int]]:
    """Put each node after those of its block that it must follow; gives what the nodes read and what they write."""
    all_reads: set[int] = set()
    all_writes: set[int] = set()
    since: dict[int, list[NodeDraft]] = {}
    last: dict[int, NodeDraft] = {}
    for node in nodes:
        reads = {number for item in _read_by(node) for number in aliases.sets_in(item)} & overwritten
        writes = aliases.sets_written_by(node) & overwritten
        for block in node.blocks:
            inner_reads, inner_writes = _order(block.nodes, aliases, overwritten)
            reads |= inner_reads | _outputs(block, aliases, overwritten)
            writes |= inner_writes
        for number in reads | writes:
            if number in last:
                node.follows.append(last[number])
            if number in writes:
                node.follows.extend(since.pop(number, ()))
                last[number] = node
            else:
                since.setdefault(number, []).append(node)
        all_reads |= reads
        all_writes |= writes
    return all_reads, all_writes


def _outputs(block: BlockDraft, aliases: Aliases, overwritten: frozenset[int]) -> set[int]:
    return {number for draft in block.outputs for number in aliases.sets_in(draft)} & overwritten


def _read_by(node: NodeDraft) -> Iterator[object]:
    yield from node.arguments.values()
    yield from drafts_in(node.outputs)
