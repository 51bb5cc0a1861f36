"""Tensors without defined elements, for nodes that read no more than the form of a value that NNAPI now computes.

A size, or zeros of the same shape, can be asked of a tensor inside a part; it is the same for all inputs that
the part was lowered for.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from analyzer.graph import NotQuantized, PerChannel, PerTensor, TensorType
from analyzer.tensor_types import torch_dtype
from lowering.graph_copy import PackageError, walk
from lowering.script_modules import insert_constant, reset_insert_point


class StandIns:
    """Makes tensors that have the form of a value and no defined elements, for those who read no more than that.

    ``kinds`` are the known types of values by number, ``constants`` the numbers of values that depend on no
    input's elements.
    """

    _FORM_READERS = frozenset(
        {
            "aten::size",
            "aten::dim",
            "aten::numel",
            "aten::len",
            "aten::is_floating_point",
            "aten::is_complex",
            "prim::dtype",
            "prim::device",
            "prim::layout",
            "prim::is_cuda",
            "prim::is_quantized",
            "prim::requires_grad",
        }
    )

    def __init__(self, graph: torch._C.Graph, kinds: Mapping[int, TensorType], constants: frozenset[int]) -> None:
        self._graph = graph
        self._kinds = kinds
        self._constants = constants

    def fold_sizes(self) -> None:
        """Replace what reads the size of a value of known type by the size."""
        for node in list(walk(self._graph)):
            kind = self._kinds.get(next(iter(node.inputs())).unique()) if node.inputsSize() else None
            if kind is None or node.kind() not in ("aten::size", "aten::dim"):
                continue
            known: list[int] | int = list(kind.shape) if node.kind() == "aten::size" else kind.rank
            if isinstance(known, list) and node.inputsSize() == 2:
                dim = node.inputsAt(1).toIValue()
                if not isinstance(dim, int):
                    continue
                known = known[dim]
            self._graph.setInsertPoint(node)
            node.output().replaceAllUsesWith(insert_constant(self._graph, known))
            reset_insert_point(self._graph)
            node.destroy()

    def reads_form_only(self, reader: torch._C.Node) -> bool:
        """Whether a node's results do not depend on the elements of its inputs."""
        if reader.kind() in self._FORM_READERS:
            return True
        return reader.outputsSize() > 0 and all(output.unique() in self._constants for output in reader.outputs())

    def stand_in_for(self, node: torch._C.Node) -> None:
        """Give those who read no more than the form of a node's results tensors of that form."""
        for output in node.outputs():
            kind = self._kinds.get(output.unique())
            readers = [use.user for use in output.uses() if self.reads_form_only(use.user)]
            if kind is None or not readers:
                continue
            empty = insert_empty(self._graph, kind, node)
            for reader in readers:
                reader.replaceInputWith(output, empty)


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
