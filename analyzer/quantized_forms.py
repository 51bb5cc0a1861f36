"""What calls on floats become on quantized tensors, as cards say it.

Two read it: what a model would be once it is quantized, and what programs mean that write floats between a dequantize
and a quantize.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from nnapi_check.analyzer.graph import Argument, Graph, Node, Ref, RefList, TensorType, referred
from nnapi_check.coverage_db.cards import Card, Movement, OtherCall, QuantizedForm
from nnapi_check.coverage_db.checks import ConstantOrTuple

WEIGHT = "weight"
"""The argument that is quantized by itself, and may have a scale for each channel."""


class Cards(Protocol):
    """What is read of the registry."""

    def has_card(self, op: str) -> bool:
        """Whether the registry has a card for an op."""

    def card(self, op: str) -> Card:
        """The card of an op that has one."""


def quantized_form(op: str, cards: Cards) -> QuantizedForm | None:
    """What an op becomes: what its card says; one that only moves elements, or passes a tensor on, itself."""
    if not cards.has_card(op):
        return None
    card = cards.card(op)
    if card.quantized is not None:
        return card.quantized
    return QuantizedForm(OtherCall(op)) if _only_moves(card) else None


def _only_moves(card: Card) -> bool:
    return card.moves is not Movement.NONE or any(not way.emits for way in card.ways)


def obstacle(node: Node, form: QuantizedForm, graph: Graph, cards: Cards) -> str:
    """What keeps a call from having that form, whatever its tensors are quantized by; empty where nothing does."""
    for name, wanted in form.only:
        if node.arguments.get(name) != wanted:
            return f"its quantized form wants {name}={wanted}"
    if form.call.op != node.op and not (cards.has_card(form.call.op) and cards.card(form.call.op).ways):
        return f"{form.call.op}, which it would become, has no way"
    first = next(quantized_inputs(node, form), None)
    kind = None if first is None else graph.type_of(first)
    if form.rank is not None and (not isinstance(kind, TensorType) or kind.rank != form.rank):
        return f"its quantized form takes {form.rank} dimensions"
    for name, _ in form.call.renamed:
        if not isinstance(node.arguments.get(name), Ref | RefList):
            return f"its quantized form takes a tensor as {name}"
    for name in (WEIGHT, *form.floats):
        if any(not graph.values[value].is_constant for value in referred(node.arguments.get(name))):
            return f"its {name} is computed"
    return ""


def quantized_inputs(node: Node, form: QuantizedForm) -> Iterator[int]:
    """The values that a call reads quantized."""
    for name, argument in node.arguments.items():
        if name not in form.floats:
            yield from referred(argument)


def quantized_call(
    form: QuantizedForm, read: Mapping[str, Argument], scale: float, zero_point: int
) -> dict[str, Argument]:
    """The arguments of the call on quantized tensors, of those of the call on floats; ``read`` has the tensors."""
    arguments = form.call.arguments(read, _argument)
    return arguments | dict(zip(form.parameters, (scale, zero_point), strict=False))


def _argument(value: ConstantOrTuple | None) -> Argument:
    if value is None:
        raise TypeError("a quantized form gives numbers and texts only")
    return value
