"""Putting calls of submodules in the place of runs of nodes in a TorchScript graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch

from nnapi_check.analyzer.torchscript import insert_constant, nested
from nnapi_check.lowering.packaging.graph_copy import GraphCopy, NodeKey, PackageError, key_of, written_values
from nnapi_check.lowering.packaging.script_modules import reset_insert_point

# An attribute of the calls that this module makes. It is not saved.
_IS_PART = "nnapi_part"

_NUMBER_OF = MappingProxyType(
    {
        "TensorType": "aten::dim",
        "ListType": "aten::len",
        "BoolType": "aten::Int",
        "IntType": "",
        "FloatType": "",
    }
)
"""What makes a number of a value, by its type; nothing where it is one."""

_ORDERED_EFFECTS = frozenset(
    {
        "prim::Print",
        "prim::SetAttr",
        "prim::CallFunction",
        "prim::CallMethod",
        "prim::Enter",
        "prim::Exit",
        "prim::fork",
        "prim::awaitable",
        "aten::wait",
    }
)


@dataclass(frozen=True, slots=True)
class Run:
    """Nodes of one block that become one call of ``submodule``, given by the original graph's numbers.

    The submodule's ``forward`` takes the inputs and returns the outputs: one tensor, or a tuple of several.
    """

    submodule: str
    kind: torch._C.JitType
    nodes: tuple[NodeKey, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def replace_run(copy: GraphCopy, run: Run) -> None:
    """Put a call before a run, and its results in the place of the run's.

    The run's own nodes stay, for what else reads their results; dead code elimination removes the rest.
    """
    inputs = [copy.values[number] for number in run.inputs]
    outputs = [copy.values[number] for number in run.outputs]
    for value in inputs:
        if not isinstance(value.type(), torch.TensorType):
            raise PackageError(f"{run.submodule}: input %{value.debugName()} is {value.type()}, wanted a tensor")
    nodes = [copy.nodes[number] for number in run.nodes]
    first = _first_of(run.submodule, nodes)
    makers = [value.node() for value in inputs if value.node().kind() != "prim::Param"]
    later = [maker for maker in makers if maker.isAfter(first)]
    if later:
        read = {value.unique() for value in inputs}
        _make_room(copy, run.submodule, _span(first, later), {key_of(node) for node in nodes}, read)
    results = _insert_call(copy, run, first, inputs)
    for old, new in zip(outputs, results, strict=True):
        old.replaceAllUsesWith(new)
    copy.values.update(zip(run.outputs, results, strict=True))


def _first_of(submodule: str, nodes: Sequence[torch._C.Node]) -> torch._C.Node:
    first = nodes[0]
    block = first.owningBlock()
    for node in nodes:
        if node.owningBlock() is not block:
            raise PackageError(f"{submodule}: {node.kind()} lies in another block than {first.kind()}")
        if node.isBefore(first):
            first = node
    return first


def _span(first: torch._C.Node, later: Sequence[torch._C.Node]) -> list[torch._C.Node]:
    """The nodes of a block from ``first`` to the last of ``later``."""
    order = list(first.owningBlock().nodes())
    places = [order.index(node) for node in later]
    return order[order.index(first) : max(places) + 1]


def _make_room(
    copy: GraphCopy, submodule: str, span: Sequence[torch._C.Node], members: set[NodeKey], inputs: set[int]
) -> None:
    """Move a span's members, and what depends on them, behind its last node, which makes the last of the inputs."""
    made: set[int] = set()
    read_late: set[int] = set()
    late: list[torch._C.Node] = []
    has_late_effect = False
    stored = _Storages(copy.shared)
    for node in span:
        reads, writes = _reads(node), _written_lists(node)
        has_effect = has_ordered_effect(node, copy.shared)
        depends = not (reads.isdisjoint(made) and writes.isdisjoint(read_late)) or (has_effect and has_late_effect)
        if not depends and not stored.must_follow(node) and key_of(node) not in members:
            continue
        if not _made_by(node).isdisjoint(inputs):
            raise PackageError(f"{submodule}: its input is computed by {node.kind()} from its own outputs")
        made |= _made_by(node) | writes
        read_late |= reads
        late.append(node)
        stored.follow(node)
        has_late_effect = has_late_effect or has_effect
    for node in reversed(late):
        node.moveAfter(span[-1])


class _Storages:
    """What the nodes that are moved read and write of storages that are overwritten in a run."""

    def __init__(self, shared: Mapping[int, frozenset[int]]) -> None:
        self._shared = shared
        self._read: set[int] = set()
        self._written: set[int] = set()

    def must_follow(self, node: torch._C.Node) -> bool:
        """Whether a node would meet another content of a storage if it did not stay behind those that are moved."""
        if not self._read and not self._written:
            return False
        reads, writes = self._sets(node)
        return not (reads.isdisjoint(self._written) and writes.isdisjoint(self._read | self._written))

    def follow(self, node: torch._C.Node) -> None:
        """Remember that a node is moved."""
        if self._shared:
            reads, writes = self._sets(node)
            self._read |= reads
            self._written |= writes

    def _sets(self, node: torch._C.Node) -> tuple[set[int], set[int]]:
        touched = _reads(node) | _made_by(node)
        written = touched if node.kind() in _ORDERED_EFFECTS else _overwritten_by(node)
        return self._of(touched), self._of(written)

    def _of(self, values: Iterable[int]) -> set[int]:
        return {member for value in values for member in self._shared.get(value, ())}


def _overwritten_by(node: torch._C.Node) -> set[int]:
    """The numbers of the values that a node or what it holds changes in place."""
    found = {value.unique() for value in written_values(node)}
    for block in node.blocks():
        for inner in block.nodes():
            found |= _overwritten_by(inner)
    return found


def _made_by(node: torch._C.Node) -> set[int]:
    return {output.unique() for output in node.outputs()}


def _reads(node: torch._C.Node) -> set[int]:
    """The numbers of all values that a node or what it holds reads."""
    found = {value.unique() for value in node.inputs()}
    for block in node.blocks():
        found.update(value.unique() for value in block.outputs())
        for inner in block.nodes():
            found |= _reads(inner)
    return found


def _written_lists(node: torch._C.Node) -> set[int]:
    """The numbers of the lists and dictionaries that a node or what it holds changes."""
    found: set[int] = set()
    for block in node.blocks():
        for inner in block.nodes():
            found |= _written_lists(inner)
    return found | {value.unique() for value in written_values(node) if _is_container(value)}


def has_ordered_effect(node: torch._C.Node, shared: Mapping[int, frozenset[int]] = MappingProxyType({})) -> bool:
    """Whether a node does what all other effects must stay in order with. Which of two errors comes first need not.

    What overwrites a storage of which all values are known need not either.
    """
    if any(has_ordered_effect(inner, shared) for block in node.blocks() for inner in block.nodes()):
        return True
    if node.kind() in _ORDERED_EFFECTS:
        return not _is_part_call(node)
    return any(not _is_container(value) and value.unique() not in shared for value in written_values(node))


def _is_container(value: torch._C.Value) -> bool:
    return isinstance(value.type(), torch.ListType | torch.DictType)


def _is_part_call(node: torch._C.Node) -> bool:
    return node.hasAttribute(_IS_PART)


def _insert_call(
    copy: GraphCopy, run: Run, before: torch._C.Node, inputs: Sequence[torch._C.Value]
) -> list[torch._C.Value]:
    graph = copy.graph
    receiver = graph.create("prim::GetAttr", [copy.self_value], 1)
    receiver.s_("name", run.submodule)
    receiver.output().setType(run.kind)
    receiver.insertBefore(before)
    call = graph.create("prim::CallMethod", [receiver.output(), *inputs], 1)
    call.s_("name", "forward")
    call.i_(_IS_PART, 1)
    call.insertBefore(before)
    call.output().setType(torch._C.TensorType.get())
    if len(run.outputs) == 1:
        return [call.output()]
    call.output().setType(torch._C.TupleType([torch._C.TensorType.get()] * len(run.outputs)))
    unpack = graph.create("prim::TupleUnpack", [call.output()], len(run.outputs))
    unpack.insertBefore(before)
    for result in unpack.outputs():
        result.setType(torch._C.TensorType.get())
    return list(unpack.outputs())


def keep_results_apart(graph: torch._C.Graph) -> None:
    """Put a condition that is never met between a loop, or a branch that may hold one, and what takes its only result.

    PyTorch's interpreter runs a loop only while it collects the arguments of what takes its result right behind, where
    nothing else does. A tensor that stands before the result there has then been given away in the loop's first turn,
    and is None in the second. It does so inside blocks, and a package calls the model inside a branch.
    """
    for node in list(nested(graph.nodes())):
        if node.outputsSize() == 1 and list(node.blocks()):
            uses = list(node.output().uses())
            if len(uses) == 1:
                _insert_barrier(graph, uses[0].user, node.output())


def _insert_barrier(graph: torch._C.Graph, before: torch._C.Node, value: torch._C.Value) -> None:
    read = _NUMBER_OF.get(value.type().kind())
    if read is None:
        return
    graph.setInsertPoint(before)
    texts = [insert_constant(graph, text) for text in ("No number is below itself.", "builtins.RuntimeError")]
    number = value
    if read:
        number = graph.insertNode(graph.create(read, [value], 1)).output()
        number.setType(torch._C.IntType.get())
    is_none = graph.insertNode(graph.create("aten::lt", [number, number], 1)).output()
    is_none.setType(torch._C.BoolType.get())
    condition = graph.insertNode(graph.create("prim::If", [is_none], 0))
    raises = condition.addBlock()
    condition.addBlock()
    raises.addNode("prim::RaiseException", texts)
    reset_insert_point(graph)
