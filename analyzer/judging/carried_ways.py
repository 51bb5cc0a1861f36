"""Ways that compute truth values and whole numbers as floats, for operations that take no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nnapi_check.analyzer.carried_elements import carried_types
from nnapi_check.analyzer.graph import ElementType, Graph, Node, TensorType
from nnapi_check.coverage_db.cards import Card, Emission, Way
from nnapi_check.coverage_db.spec import OperandType

CARRIED = "carried-as-floats"
"""The difference that is bridged."""

_MOVING = frozenset(
    (
        *("RESHAPE", "TRANSPOSE", "CONCATENATION", "PAD", "PAD_V2", "MIRROR_PAD", "STRIDED_SLICE", "SLICE", "GATHER"),
        *("TILE", "EXPAND_DIMS", "SQUEEZE", "SPLIT", "PACK", "REVERSE", "SELECT", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"),
        "CHANNEL_SHUFFLE",
    )
)
# Products are sums of what they take, or of some of it: cards that have them sum by matrices of ones.
_COMPUTING = frozenset(
    (
        *("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "ABS", "NEG", "REDUCE_SUM", "REDUCE_MAX", "REDUCE_MIN"),
        "FULLY_CONNECTED",
    )
)
_EXACT = _MOVING | _COMPUTING | {"LOGICAL_OR", "LOGICAL_AND"}
"""The operations on floats that give whole numbers for whole numbers, exactly while none is beyond 2^24, and those that
take no floats, so that they are for conditions."""

_OF_PLACES = (OperandType.TENSOR_INT32, OperandType.TENSOR_BOOL8)
"""What operations work on that compute places, or conditions, and no elements."""

_FROM, _TO = (
    {
        ElementType.BOOL: Emission(truths, type=OperandType.TENSOR_FLOAT32),
        **dict.fromkeys((ElementType.INT32, ElementType.INT64), Emission("CAST", type=kind)),
    }
    for truths, kind in (("SELECT", OperandType.TENSOR_INT32), ("NOT_EQUAL", OperandType.TENSOR_FLOAT32))
)
"""What makes floats of each element type, and what makes that of floats."""


def carried_ways(card: Card, node: Node, graph: Graph) -> tuple[Mapping[int, TensorType], tuple[Way, ...]]:
    """The ways in which floats carry all of a node's elements, and the types of those, by value; none for most."""
    names = card.elements_of or card.exact_in_floats
    kinds = carried_types(node, graph, names) if names else {}
    return kinds, tuple(_carried(way, names, node, kinds, graph) for way in card.ways if kinds and _is_exact(way))


def _is_exact(way: Way) -> bool:
    return bool(way.emits) and all(
        part.operation in _EXACT if part.type is None else part.type in _OF_PLACES for part in way.emits
    )


def _carried(way: Way, names: tuple[str, ...], node: Node, kinds: Mapping[int, TensorType], graph: Graph) -> Way:
    around = dict.fromkeys(_conversions(node, kinds, graph))
    differences = (*way.differences, CARRIED)
    return replace(way, emits=(*way.emits, *around), differences=differences, carried=names)


def _conversions(node: Node, kinds: Mapping[int, TensorType], graph: Graph) -> Iterator[Emission]:
    for value in kinds:
        kind = graph.tensor_type(value)
        if kind is not None:
            yield (_TO if value in node.outputs else _FROM)[kind.dtype]
