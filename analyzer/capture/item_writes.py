"""Writes in place to tensors that a list, a table or an object holds, which PyTorch's passes drop.

What removes dead code there asks of each write whether it reaches a value that is read later, and of a container that
is read later it may not ask what lies in it. TorchScript's own run then gives other numbers than Python does, often
from the second run on, and so does the module once it is frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set

import torch

from nnapi_check.analyzer.capture.source_position import op_and_place
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.ops.calls import operation_at
from nnapi_check.analyzer.torchscript import (
    aliases_known,
    children,
    class_name,
    contained_types,
    graphs_of,
    insert_constant,
    nested,
    nodes_around,
    nodes_of_kind,
)

_GIVING = (
    *("aten::__getitem__", "aten::pop", "aten::get", "aten::values", "aten::items"),
    *("prim::ListUnpack", "prim::CreateObject"),
)
"""Kinds of nodes that take something out of a container, or make an object."""
_MARK = "nnapi_write"


def refuse_dropped_writes(module: torch._C.ScriptModule) -> None:
    """Raise an `InputError` where PyTorch takes a write to what a container holds for dead, but it is read later."""
    if not _may_write_items(list(graphs_of(module))):
        return
    graph = module._get_method("forward").graph.copy()
    torch._C._jit_pass_inline(graph)
    if not _may_write_items([graph]):
        return
    modules = module_classes(module)
    writes = [
        node for node in nested(graph.nodes()) if writes_tensor(node) and not is_of_module(node.inputsAt(0), modules)
    ]
    for number, node in enumerate(writes):
        node.i_(_MARK, number)
    if not any(map(_Readers(graph, modules).of_containers, writes)):
        return
    # What follows takes nodes out.
    told = [op_and_place(node) for node in writes]
    dropped = _settle(graph, modules) | _settle(graph, modules, is_cleaned=True)
    readers = _Readers(graph, modules)
    for number, node in _marked(graph).items():
        if readers.of_containers(node) and not readers.of_tensors(node):
            dropped.add(number)
    if dropped:
        raise InputError(
            f"{told[min(dropped)]} overwrites a tensor that a list or an object holds; "
            "TorchScript takes the write for dead where nothing else names the tensor, and computes other numbers "
            "than Python. Put a new tensor in its place there, such as xs[0] = xs[0] * 2 for xs[0].mul_(2)."
        )


def _settle(graph: torch._C.Graph, modules: Set[str], *, is_cleaned: bool = False) -> set[int]:
    """Do what PyTorch does before a run and when it freezes a module, as far as it bears on lists.

    What is known of a list is read without it, and loops are written out; with ``is_cleaned`` constants are computed.
    Gives the numbers of the writes to what containers hold that went with dead code.
    """
    dropped: set[int] = set()
    propagate: Callable[[torch._C.Graph], None] = torch._C.__dict__["_jit_pass_constant_propagation_immutable_types"]
    unroll: Callable[[torch._C.Graph], None] = torch._C.__dict__["_jit_pass_constant_loop_unrolling"]
    read_items: Callable[[torch._C.Graph, bool], bool] = torch._C.__dict__["_jit_pass_peephole_list_idioms"]
    for _ in range(3):
        # They end the process where the node that they would insert at is gone.
        graph.setInsertPoint(graph.return_node())
        torch._C._jit_pass_remove_mutation(graph)
        read_items(graph, True)
        # What follows removes dead code, and knows of storages.
        held = _held(graph, modules)
        if is_cleaned:
            # Dead code goes only where something was computed.
            computed = graph.create("aten::neg", [insert_constant(graph, 1)], 1)
            computed.output().setType(torch._C.IntType.get())
            graph.insertNode(computed)
            propagate(graph)
        unroll(graph)
        dropped |= held - _marked(graph).keys()
    return dropped


def _held(graph: torch._C.Graph, modules: Set[str]) -> set[int]:
    """The numbers of the writes to what containers may hold that are read later, but for those in branches.

    A branch that is never taken goes with what it writes.
    """
    readers = _Readers(graph, modules)
    return {n for n, node in _marked(graph).items() if readers.of_containers(node) and not _is_in_branch(node)}


def _marked(graph: torch._C.Graph) -> dict[int, torch._C.Node]:
    return {node.i(_MARK): node for node in nested(graph.nodes()) if node.hasAttribute(_MARK)}


def _is_in_branch(node: torch._C.Node) -> bool:
    return any(outer.kind() == "prim::If" for outer in nodes_around(node))


class _Readers:
    """What reads the tensors of a graph after a write to one that may be the same.

    ``modules`` are the classes of modules, which are no containers here.
    """

    def __init__(self, graph: torch._C.Graph, modules: Set[str]) -> None:
        self._modules = modules
        self._tensors: list[torch._C.Value] = []
        self._containers: list[torch._C.Value] = []
        self._made: dict[int, int] = {}
        self._read: dict[int, int] = {}
        self._writes: dict[int, int] = {}
        self._place = 0
        self._make(graph.inputs())
        self._walk(graph.nodes())
        self._note_reads(graph.return_node())
        self._may_share = aliases_known(graph)

    def of_tensors(self, node: torch._C.Node) -> bool:
        """Whether the tensor is read by a name of its own, other than to be written to again."""
        return self._are_read([node.inputsAt(0), *self._tensors], node)

    def of_containers(self, node: torch._C.Node) -> bool:
        """Whether a container that was there before is read, and may hold the tensor."""
        place = self._writes[node.i(_MARK)]
        return self._are_read([held for held in self._containers if self._made[held.unique()] < place], node)

    def _are_read(self, values: Sequence[torch._C.Value], node: torch._C.Node) -> bool:
        place, target = self._writes[node.i(_MARK)], node.inputsAt(0)
        return any(self._read.get(value.unique(), 0) > place and self._may_share(target, value) for value in values)

    def _make(self, values: Iterable[torch._C.Value]) -> None:
        for value in values:
            self._made[value.unique()] = self._place
            if _is_tensor(value.type()):
                self._tensors.append(value)
            elif is_of_tensors(value.type()) and str(value.type()) not in self._modules:
                self._containers.append(value)

    def _note_reads(self, node: torch._C.Node) -> None:
        for value in node.inputs():
            self._read[value.unique()] = self._place

    def _walk(self, nodes: Iterable[torch._C.Node]) -> None:
        for node in nodes:
            self._place += 1
            start = self._place
            if node.hasAttribute(_MARK):
                self._writes[node.i(_MARK)] = start
            if not writes_tensor(node):
                self._note_reads(node)
            for block in node.blocks():
                self._make(block.inputs())
                self._walk(block.nodes())
                self._place += 1
                self._note_reads(block.returnNode())
            if node.kind() == "prim::Loop":
                # What was there before is read in each turn.
                for value, place in self._read.items():
                    if place > start and self._made[value] < start:
                        self._read[value] = self._place
            self._make(node.outputs())


def is_of_module(value: torch._C.Value, modules: Set[str]) -> bool:
    """Whether a value is an attribute of a module. PyTorch drops no write to a tensor that is."""
    return value.node().kind() == "prim::GetAttr" and str(value.node().inputsAt(0).type()) in modules


def module_classes(module: torch._C.ScriptModule) -> frozenset[str]:
    """The classes of a module and of all in it, as their types are printed."""
    return frozenset(_class_names(module))


def _class_names(module: torch._C.ScriptModule) -> Iterator[str]:
    yield class_name(module)
    for _, child in children(module):
        yield from _class_names(child)


def _may_write_items(graphs: Sequence[torch._C.Graph]) -> bool:
    """Whether graphs take tensors out of containers and write to tensors, or call functions, which may."""
    if any(nodes_of_kind(graph, "prim::CallFunction") for graph in graphs):
        return True
    givers = (node for graph in graphs for kind in _GIVING for node in nodes_of_kind(graph, kind))
    return any(map(_gives_tensor, givers)) and any(
        writes_tensor(node) for graph in graphs for node in nested(graph.nodes())
    )


def _gives_tensor(node: torch._C.Node) -> bool:
    return node.kind() == "prim::CreateObject" or any(is_of_tensors(output.type()) for output in node.outputs())


def _is_tensor(kind: torch._C.JitType) -> bool:
    if kind.kind() == "OptionalType":
        return all(map(_is_tensor, contained_types(kind)))
    return kind.kind() == "TensorType"


def is_of_tensors(kind: torch._C.JitType) -> bool:
    """Whether what has a type is a tensor, or may hold some."""
    return kind.kind() in ("TensorType", "ClassType") or any(map(is_of_tensors, contained_types(kind)))


def writes_tensor(node: torch._C.Node) -> bool:
    """Whether a node writes to a tensor in place, and gives it."""
    operation = operation_at(node)
    if operation is None or not operation.is_mutable or node.outputsSize() != 1:
        return False
    return node.inputsAt(0).type().kind() == "TensorType" == node.output().type().kind()
