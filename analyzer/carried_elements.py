"""Truth values and whole numbers as the floats that carry them through operations which take no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import overload

from nnapi_check.analyzer.graph import ElementType, Graph, Node, TensorType, Value, referred

_CARRIED = (ElementType.BOOL, ElementType.INT32, ElementType.INT64)


def carried_types(node: Node, graph: Graph, arguments: Sequence[str]) -> Mapping[int, TensorType]:
    """The types of what ``arguments`` hold, and of what the node makes of it, once floats carry them, by value.

    What is float32 already is not in it. Nothing is where something is of another type.
    """
    read = [value for name in arguments for value in referred(node.arguments.get(name))]
    others = (argument for name, argument in node.arguments.items() if name not in arguments)
    if any(value in read for argument in others for value in referred(argument)):
        # It is read as what it is as well.
        return {}
    found: dict[int, TensorType] = {}
    for value in (*read, *node.outputs):
        kind = graph.tensor_type(value)
        if kind is None or kind.is_quantized or kind.dtype not in (*_CARRIED, ElementType.FLOAT32):
            return {}
        if kind.dtype in _CARRIED:
            found[value] = replace(kind, dtype=ElementType.FLOAT32)
    return found


def retyped(graph: Graph, kinds: Mapping[int, TensorType]) -> Graph:
    """The same graph, in which some values have other types. It takes no time of the graph's size."""
    found = replace(graph, values=_Retyped(graph.values, kinds))
    # What was asked of it does not hang on types.
    found.__dict__["by_id"] = graph.by_id
    return found


class _Retyped(Sequence[Value]):
    """The values of a graph, some of them with other types."""

    def __init__(self, values: Sequence[Value], kinds: Mapping[int, TensorType]) -> None:
        self._values, self._kinds = values, kinds

    @overload
    def __getitem__(self, place: int) -> Value: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Value]: ...

    def __getitem__(self, place: int | slice) -> Value | Sequence[Value]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        value = self._values[place]
        return replace(value, type=self._kinds[value.id]) if value.id in self._kinds else value

    def __len__(self) -> int:
        return len(self._values)
