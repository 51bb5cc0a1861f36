"""Inputs in lists, tuples and tables, taken apart at the start of a graph, so that each tensor is a value of its own.

What is put in is put in again where the whole is read. A length or key that is not the one converted for ends such a
graph with an error, so the CPU path has a graph in which nothing is taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch

from nnapi_check.analyzer.graph import GraphInput, TensorType
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.inputs.binding import Fixed, InputLayout, OneTensor, Row, Slot, Table
from nnapi_check.analyzer.tensor_types import empty_like_type
from nnapi_check.analyzer.torchscript import insert_constant


@dataclass(slots=True)
class InputValues:
    """The values of a graph's inputs: a draft for every tensor, and what is known of each argument as a whole."""

    graph: torch._C.Graph
    drafts: list[Draft] = field(default_factory=list)
    items: list[tuple[torch._C.Value, object]] = field(default_factory=list)


def open_inputs(graph: torch._C.Graph, layout: InputLayout, types: Sequence[TensorType]) -> InputValues:
    """Take the arguments of a graph apart."""
    opened = InputValues(graph)
    opening = _Opening(opened, list(types), layout.names)
    first = next(iter(graph.nodes()), graph.return_node())
    for value, slot in zip(list(graph.inputs())[1:], layout.slots, strict=True):
        opening.argument(first, value, slot)
    graph.setInsertPoint(graph.return_node())
    return opened


@dataclass(slots=True)
class _Opening:
    opened: InputValues
    types: Sequence[TensorType]
    names: Sequence[str]

    def argument(self, before: torch._C.Node, value: torch._C.Value, slot: Slot) -> None:
        graph = self.opened.graph
        graph.setInsertPoint(before)
        match slot:
            case OneTensor(is_optional=False) | Fixed():
                self.opened.items.append((value, self._item(value, slot)))
                return
            case _:
                pass
        # Those that read the argument now, read what it is put together to.
        stand_in = graph.create("prim::Uninitialized", [], 1)
        stand_in.output().setType(value.type())
        graph.insertNode(stand_in)
        value.replaceAllUsesWith(stand_in.output())
        made, item = self._apart(value, slot)
        stand_in.output().replaceAllUsesWith(made)
        stand_in.destroy()
        self.opened.items.append((value, item))

    def _item(self, value: torch._C.Value, slot: OneTensor | Fixed) -> object:
        if isinstance(slot, Fixed):
            return slot.value
        index = len(self.opened.drafts)
        kind = self.types[index]
        tensor = empty_like_type(kind, device="meta")
        draft = Draft(value, kind, tensor, GraphInput(index, self.names[index]), is_constant=False)
        self.opened.drafts.append(draft)
        return draft

    def _apart(self, value: torch._C.Value, slot: Slot) -> tuple[torch._C.Value, object]:
        """What stands for a value after it was taken apart, and what is known of it."""
        kind = value.type()
        if isinstance(kind, torch._C.OptionalType) and not isinstance(slot, Fixed):
            value = self._node("prim::unchecked_unwrap_optional", [value], kind.getElementType())
        match slot:
            case OneTensor() | Fixed():
                return value, self._item(value, slot)
            case Row(_, parts, is_tuple):
                made, items = self._row(value, parts)
                return made, tuple(items) if is_tuple else items
            case Table(_, table):
                return self._table(value, table)

    def _row(self, value: torch._C.Value, parts: Sequence[Slot]) -> tuple[torch._C.Value, list[object]]:
        kind = value.type()
        graph = self.opened.graph
        if isinstance(kind, torch._C.TupleType):
            kinds, word = kind.elements(), "Tuple"
        else:
            kinds, word = [cast("torch._C.ListType", kind).getElementType()] * len(parts), "List"
        unpack = graph.create(f"prim::{word}Unpack", [value], len(parts))
        graph.insertNode(unpack)
        for output, inner in zip(unpack.outputs(), kinds, strict=True):
            output.setType(inner)
        apart = [self._apart(output, part) for output, part in zip(unpack.outputs(), parts, strict=True)]
        return self._node(f"prim::{word}Construct", [made for made, _ in apart], kind), [item for _, item in apart]

    def _table(self, value: torch._C.Value, table: Mapping[str | int, Slot]) -> tuple[torch._C.Value, object]:
        kind = cast("torch._C.DictType", value.type())
        graph = self.opened.graph
        inputs: list[torch._C.Value] = []
        items: dict[object, object] = {}
        for key, part in table.items():
            place = insert_constant(graph, key)
            inner = self._node("aten::__getitem__", [value, place], kind.getValueType())
            made, items[key] = self._apart(inner, part)
            inputs += [place, made]
        return self._node("prim::DictConstruct", inputs, kind), items

    def _node(self, kind: str, inputs: list[torch._C.Value], result: torch._C.JitType) -> torch._C.Value:
        node = self.opened.graph.create(kind, inputs, 1)
        node.output().setType(result)
        self.opened.graph.insertNode(node)
        return node.output()
