"""Tensors without defined elements, for nodes that read no more than the form of a value that NNAPI now computes.

A size, or zeros of the same shape, can be asked of a tensor inside a part; it is the same for all inputs that
the part was lowered for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch

from nnapi_check.analyzer.graph import NotQuantized, PerChannel, PerTensor, TensorType
from nnapi_check.analyzer.tensor_types import torch_dtype
from nnapi_check.analyzer.torchscript import insert_constant
from nnapi_check.lowering.packaging.graph_copy import PackageError, walk, written_values
from nnapi_check.lowering.packaging.script_modules import reset_insert_point

_TABLES = frozenset({"aten::dict", "prim::DictConstruct"})
_SET_ITEM = "aten::_set_item"
_OF_KEYS = frozenset({_SET_ITEM, "aten::keys", "aten::len", "aten::__contains__"})


class StandIns:
    """Makes tensors that have the form of a value and no defined elements, for those who read no more than that.

    ``kinds`` are the known types of values by number, ``constants`` the numbers of values that depend on no
    input's elements.
    """

    def __init__(self, graph: torch._C.Graph, kinds: Mapping[int, TensorType], constants: frozenset[int]) -> None:
        self._graph = graph
        self._kinds = kinds
        self._constants = constants

    def fold_forms(self) -> None:
        """Replace what reads the size, rank, type or device of a value of known type by the answer."""
        for node in list(walk(self._graph)):
            kind = self._kinds.get(next(iter(node.inputs())).unique()) if node.inputsSize() else None
            if kind is None or node.outputsSize() != 1 or any(map(written_values, _readers(node.output()))):
                continue
            answer = _answer(node, kind)
            if answer is None:
                continue
            self._graph.setInsertPoint(node)
            node.output().replaceAllUsesWith(insert_constant(self._graph, answer))
            reset_insert_point(self._graph)
            node.destroy()

    def stand_in_for(self, value: torch._C.Value) -> None:
        """Give constants, which can need no more than the form of a value, a tensor of that form in its place."""
        kind = self._kinds.get(value.unique())
        readers = [reader for reader in _readers(value) if self._is_constant(reader)]
        if kind is None or isinstance(kind.quant, PerChannel) or not readers:
            return
        empty = insert_empty(self._graph, kind, value.node())
        for reader in readers:
            reader.replaceInputWith(value, empty)

    def stand_in_in_tables(self, values: Collection[int]) -> bool:
        """Let tables of which only keys are read hold other tensors in place of ``values``, by their numbers.

        Gives whether there were any.
        """
        found = [
            (write, kind)
            for table in walk(self._graph)
            if table.kind() in _TABLES and all(_reads_keys(use) for use in table.output().uses())
            for write in _readers(table.output())
            if write.kind() == _SET_ITEM
            and write.inputsAt(2).unique() in values
            and (kind := self._kinds.get(write.inputsAt(2).unique())) is not None
            and not isinstance(kind.quant, PerChannel)
        ]
        for write, kind in found:
            write.replaceInput(2, insert_empty(self._graph, kind, write))
        return bool(found)

    def _is_constant(self, node: torch._C.Node) -> bool:
        return node.outputsSize() > 0 and all(output.unique() in self._constants for output in node.outputs())


def _reads_keys(use: torch._C.Use) -> bool:
    """Whether a table is written to, or asked for its keys alone."""
    return use.offset == 0 and use.user.kind() in _OF_KEYS


def _readers(value: torch._C.Value) -> list[torch._C.Node]:
    return [use.user for use in value.uses()]


def _answer(node: torch._C.Node, kind: TensorType) -> object:
    """What a node that reads nothing but the form of a tensor of this type gives, or None for other nodes."""
    match node.kind():
        case "aten::size" if node.inputsSize() == 1:
            return list(kind.shape)
        case "aten::size":
            dim: object = node.inputsAt(1).toIValue()
            return kind.shape[dim] if isinstance(dim, int) else None
        case "aten::dim":
            return kind.rank
        case "aten::numel":
            return kind.numel
        case "prim::dtype":
            return torch_dtype(kind.dtype)
        case "prim::device":
            return torch.device("cpu")
        case _:
            return None


def insert_empty(graph: torch._C.Graph, kind: TensorType, before: torch._C.Node) -> torch._C.Value:
    """Insert a node that makes a tensor of a type, without defined elements."""
    graph.setInsertPoint(before)
    nothing = insert_constant(graph, None)
    size, dtype = insert_constant(graph, list(kind.shape)), insert_constant(graph, torch_dtype(kind.dtype))
    match kind.quant:
        case NotQuantized():
            inputs = [size, dtype, nothing, nothing, nothing, nothing]
            made = graph.create("aten::empty", inputs, 1)
        case PerTensor(scale, zero_point):
            inputs = [size, dtype, nothing, nothing, nothing]
            inputs += [insert_constant(graph, scale), insert_constant(graph, zero_point), nothing]
            made = graph.create("aten::_empty_affine_quantized", inputs, 1)
        case PerChannel():
            raise PackageError("nothing can stand in for a tensor that is quantized per channel")
    made.output().setType(torch._C.TensorType.get())
    graph.insertNode(made)
    reset_insert_point(graph)
    return made.output()
