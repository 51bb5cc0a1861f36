"""Calls that are alike: of all that a judgement reads of a node and its values, they have the same.

A network repeats its blocks, so most calls are like one that is judged already.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from nnapi_check.analyzer.graph import (
    Literal,
    Node,
    NodeOutput,
    Origin,
    Ref,
    RefList,
    TensorType,
    Unknown,
    ValueType,
)
from nnapi_check.analyzer.quantities import Uses


def call_of(node: Node, uses: Uses) -> Hashable:
    """What calls that are judged alike have in common; of nodes without blocks.

    Which of its values are one is part of it. Whatever else a judgement comes to read must become part of it as well.
    """
    return node.op, bool(node.covers), tuple(_parts(node, uses))


def _parts(node: Node, uses: Uses) -> Iterator[Hashable]:
    places: dict[int, int] = {}
    for name, argument in node.arguments.items():
        yield name
        match argument:
            case Ref(value):
                yield _value(value, places, uses)
            case RefList(values):
                yield tuple(None if value is None else _value(value, places, uses) for value in values)
            case Unknown(reason, values):
                yield reason, tuple(_value(value, places, uses) for value in values)
            case _:
                # 0.0 and -0.0, and 1 and 1.0, are equal, and not the same.
                yield repr(argument)
    for value in node.outputs:
        yield _value(value, places, uses)


def _value(value: int, places: dict[int, int], uses: Uses) -> Hashable:
    """A value by all but its name, or by where the node met it before."""
    if value in places:
        return places[value]
    places[value] = len(places)
    found = uses.graph.values[value]
    kind, made = _kind(found.type), _made(found.origin, uses)
    of_use = uses.readers.get(value, 0), value in uses.rounded, value in uses.counted
    return kind, found.is_constant, found.reach, made, of_use


def _made(origin: Origin, uses: Uses) -> Hashable:
    match origin:
        case NodeOutput(node, _):
            return uses.nodes[node].op
        case Literal(_, data):
            return repr(data)
        case _:
            return type(origin).__name__


def _kind(kind: ValueType) -> Hashable:
    return (kind, repr(kind.quant)) if isinstance(kind, TensorType) and kind.is_quantized else kind
