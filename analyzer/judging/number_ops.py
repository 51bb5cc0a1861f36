"""Ops on the program's whole numbers and truth values, as ops of tensors of rank 0 that mean the same.

An op on numbers becomes one op of tensors, or a chain of them. Where the first of two operands is the known one, they
change places, if an op of tensors takes them so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.graph import ABSENT, Argument, Ref, RefList

Operand = Ref | int
"""A number that only the run knows, as the tensor that it becomes, or one that is known."""


@dataclass(frozen=True, slots=True)
class TensorCall:
    """An op of tensors with its arguments. In a chain, a later one has what the one before it gives as ``self``."""

    op: str
    arguments: Mapping[str, Argument]


Chain = tuple[TensorCall, ...]

_Two = Callable[[Operand, Operand], Chain | None]
_LONG = 4
"""PyTorch's number of the element type int64."""


def chain_of(op: str, operands: Sequence[Operand]) -> Chain | None:
    """The ops of tensors that an op on numbers means, at least one of which only the run knows; None where none do."""
    if not any(isinstance(operand, Ref) for operand in operands):
        return None
    match operands:
        case [Ref() as number] if op in _OF_ONE:
            return (_OF_ONE[op](number),)
        case [first, second] if op in _OF_TWO:
            return _OF_TWO[op](first, second)
        case [first, second, int() as step] if op == "aten.__range_length.default":
            return _range_length(first, second, step)
        case [Ref() as turn, start, int() as step] if op == "aten.__derive_index.default":
            return _place_in_range(turn, start, step)
        case _:
            return None


def taking_numbers(
    op: str, arguments: Mapping[str, Argument], numbers: Mapping[str, Ref], rank: int | None
) -> TensorCall | None:
    """The op of tensors that one means of whose arguments some are ``numbers`` that only the run knows.

    ``rank`` is that of its first tensor, None where that is not known.
    """
    match op, dict(numbers), arguments:
        case _, {"other": other, **more}, _ if op in _WITH_NUMBER and not more:
            return TensorCall(_WITH_NUMBER[op], {**arguments, "other": other})
        case "aten.rsub.Scalar", {"other": other, **more}, {"self": Ref() as x, "alpha": factor} if not more:
            return TensorCall("aten.sub.Tensor", {"self": other, "other": x, "alpha": factor})
        case "aten.select.int", {"index": place, **more}, {"self": x, "dim": int() as dim} if rank and not more:
            return TensorCall("aten.index.Tensor", {"self": x, "indices": _one_place(place, dim % rank)})
        case "aten.select_scatter.default", {"index": place, **more}, {"dim": int() as dim} if rank and not more:
            indices = _one_place(place, dim % rank)
            found = {"self": arguments["self"], "indices": indices, "values": arguments["src"], "accumulate": False}
            return TensorCall("aten.index_put.default", found)
        case "aten.narrow.default", {"start": start, **more}, _ if not more:
            return TensorCall("aten.narrow.Tensor", {**arguments, "start": start})
        case _:
            return None


def _one_place(place: Ref, dim: int) -> RefList:
    """Indices that take one place of a dimension, and all of the others."""
    return RefList((*(None,) * dim, place.value))


def _unary(op: str, **more: Argument) -> Callable[[Ref], TensorCall]:
    return lambda number: TensorCall(op, {"self": number, **more})


_OF_ONE: Mapping[str, Callable[[Ref], TensorCall]] = {
    "aten.neg.int": _unary("aten.neg.default"),
    "prim.abs.int": _unary("aten.abs.default"),
    "aten.__not__.default": _unary("aten.logical_not.default"),
    "aten.Bool.int": _unary("aten.ne.Scalar", other=0),
    "aten.Int.bool": _unary("aten.to.dtype", dtype=_LONG, non_blocking=False, copy=False, memory_format=ABSENT),
}


def _binary(tensors: str, number: str | None = None, mirrored: str | None = None, name: str = "other") -> _Two:
    """By which op two tensors are computed, a tensor and a number, and a number and a tensor."""
    factor: Mapping[str, Argument] = {"alpha": 1} if tensors in ("aten.add.Tensor", "aten.sub.Tensor") else {}

    def chain(first: Operand, second: Operand) -> Chain | None:
        match first, second:
            case Ref(), Ref():
                return (TensorCall(tensors, {"self": first, "other": second, **factor}),)
            case Ref(), _ if number is not None:
                return (TensorCall(number, {"self": first, name: second, **factor}),)
            case _, Ref() if mirrored is not None:
                return (TensorCall(mirrored, {"self": second, name: first, **factor}),)
            case _:
                return None

    return chain


def _commutative(name: str) -> _Two:
    return _binary(f"aten.{name}.Tensor", f"aten.{name}.Scalar", f"aten.{name}.Scalar")


def _compared(name: str, mirrored: str) -> _Two:
    return _binary(f"aten.{name}.Tensor", f"aten.{name}.Scalar", f"aten.{mirrored}.Scalar")


def _of_truths(tensors: str, *, same: bool) -> _Two:
    """Two truth values that are compared: with one that is known, itself or its opposite. ``same`` gives itself."""
    two = _binary(tensors)

    def chain(first: Operand, second: Operand) -> Chain | None:
        match first, second:
            case (Ref() as number, bool() as known) | (bool() as known, Ref() as number):
                op = "aten.alias.default" if known is same else "aten.logical_not.default"
                return (TensorCall(op, {"self": number}),)
            case _:
                return two(first, second)

    return chain


def _joined(tensors: str, *, neutral: bool) -> _Two:
    """Two truth values that are joined: with a known one that changes nothing, the other itself."""
    two = _binary(tensors)

    def chain(first: Operand, second: Operand) -> Chain | None:
        match first, second:
            case (Ref() as number, bool() as known) | (bool() as known, Ref() as number) if known is neutral:
                return (TensorCall("aten.alias.default", {"self": number}),)
            case _:
                return two(first, second)

    return chain


_SUM, _DIFFERENCE = _commutative("add"), _binary("aten.sub.Tensor", "aten.sub.Scalar", "aten.rsub.Scalar")
_QUOTIENT_BY = "aten.floor_divide.Scalar"

_OF_TWO: Mapping[str, _Two] = {
    "aten.add.int": _SUM,
    "aten.sub.int": _DIFFERENCE,
    "aten.mul.int": _commutative("mul"),
    "aten.floordiv.int": _binary("aten.floor_divide.default", _QUOTIENT_BY),
    "aten.remainder.int": _binary("aten.remainder.Tensor", "aten.remainder.Scalar"),
    "prim.max.int": _binary("aten.maximum.default", "aten.clamp_min.default", "aten.clamp_min.default", "min"),
    "prim.min.int": _binary("aten.minimum.default", "aten.clamp_max.default", "aten.clamp_max.default", "max"),
    "aten.lt.int": _compared("lt", "gt"),
    "aten.gt.int": _compared("gt", "lt"),
    "aten.le.int": _compared("le", "ge"),
    "aten.ge.int": _compared("ge", "le"),
    "aten.eq.int": _compared("eq", "eq"),
    "aten.ne.int": _compared("ne", "ne"),
    "aten.eq.bool": _of_truths("aten.eq.Tensor", same=True),
    "aten.ne.bool": _of_truths("aten.ne.Tensor", same=False),
    "aten.__and__.bool": _joined("aten.logical_and.default", neutral=True),
    "aten.__or__.bool": _joined("aten.logical_or.default", neutral=False),
    "aten.__xor__.bool": _of_truths("aten.logical_xor.default", same=False),
}

_WITH_NUMBER: Mapping[str, str] = {
    f"aten.{name}.Scalar": f"aten.{name}.Tensor"
    for name in ("add", "sub", "mul", "div", "remainder", "lt", "le", "gt", "ge", "eq", "ne")
}
"""Ops of a tensor and a number, and what they are called with two tensors."""


def _range_length(start: Operand, end: Operand, step: int) -> Chain | None:
    """How many turns a loop over a range takes; below 0 where there is none, which a loop reads alike."""
    span = _DIFFERENCE(end, start) if step > 0 else _DIFFERENCE(start, end)
    size = abs(step)
    if span is None or size == 0:
        return None
    return span if size == 1 else (*span, *_then("aten.add.Scalar", size - 1, alpha=1), *_then(_QUOTIENT_BY, size))


def _place_in_range(turn: Ref, start: Operand, step: int) -> Chain | None:
    """The number of a range at a turn."""
    if step == 1:
        return _SUM(turn, start)
    scaled = TensorCall("aten.mul.Scalar", {"self": turn, "other": step})
    kind = "Tensor" if isinstance(start, Ref) else "Scalar"
    return (scaled, *_then(f"aten.add.{kind}", start, alpha=1))


def _then(op: str, other: Operand, **more: Argument) -> Chain:
    return (TensorCall(op, {"other": other, **more}),)
