"""Ops along dimensions of tensors that have more than an operand: those before, between and behind stand as one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import groupby
from math import prod

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands
from nnapi_check.analyzer.held_axes import orders_of, works_along
from nnapi_check.analyzer.nnapi_types import MAX_RANK

_Code = Callable[[Call, list[int]], str]
"""What calls the op of ``x``, the tensor with merged dimensions, along some of these."""


def _method(name: str) -> _Code:
    return lambda _call, dims: f"x.{name}({dims})"


def _along_one(name: str) -> _Code:
    return lambda _call, dims: f"{name}(x, {dims[0]})"


def _norm(call: Call, dims: list[int]) -> str:
    # TorchScript reads no infinity as Python writes it.
    return f"torch.ops.aten.linalg_vector_norm(x, {call.number('ord')!r}, {dims})"


def _spread(name: str) -> _Code:
    return lambda call, dims: f"x.{name}({dims}, {call.truth('unbiased')})"


FOLDED: Mapping[str, _Code] = {
    "aten.sum.dim_IntList": _method("sum"),
    "aten.mean.dim": _method("mean"),
    "aten.amax.default": _method("amax"),
    "aten.amin.default": _method("amin"),
    "aten.max.dim": _along_one("torch.max"),
    "aten.min.dim": _along_one("torch.min"),
    "aten.softmax.int": _along_one("torch.softmax"),
    "aten._softmax.default": _along_one("torch.softmax"),
    "aten.log_softmax.int": _along_one("torch.log_softmax"),
    "aten._log_softmax.default": _along_one("torch.log_softmax"),
    "aten.roll.default": lambda call, dims: f"torch.roll(x, {call.integers('shifts')}, {dims})",
}
"""Ops whose cards take tensors of five dimensions as they are held, where the dimension stands alone there."""

OTHERS: Mapping[str, _Code] = {
    "aten.logsumexp.default": lambda _call, dims: f"torch.logsumexp(x, {dims})",
    "aten.linalg_vector_norm.default": _norm,
    "aten.var.dim": _spread("var"),
    "aten.std.dim": _spread("std"),
    "aten.flip.default": lambda _call, dims: f"torch.flip(x, {dims})",
    "aten.cumsum.default": _along_one("torch.cumsum"),
    "aten.cumprod.default": _along_one("torch.cumprod"),
    "aten.prod.dim_int": _along_one("torch.prod"),
    "aten.argmax.default": _along_one("torch.argmax"),
    "aten.argmin.default": _along_one("torch.argmin"),
    "aten.all.dim": _along_one("torch.all"),
    "aten.any.dim": _along_one("torch.any"),
    "aten.glu.default": _along_one("torch.ops.aten.glu"),
    "aten.repeat_interleave.self_int": lambda call, dims: (
        f"torch.repeat_interleave(x, {call.integer('repeats')}, {dims[0]})"
    ),
}
"""Ops whose cards take no tensor of more dimensions than an operand has."""


def _merged(shape: Sequence[int], axes: Collection[int]) -> tuple[list[int], list[int]] | None:
    """The shape in which dimensions that are among ``axes``, or are not, stand as one, and which of it are those.

    None where it has too many dimensions for an operand.
    """
    groups = [(is_among, list(group)) for is_among, group in groupby(range(len(shape)), axes.__contains__)]
    if len(groups) > MAX_RANK:
        return None
    sizes = [prod(shape[axis] for axis in group) for _, group in groups]
    return sizes, [place for place, (is_among, _) in enumerate(groups) if is_among]


def around(shape: Sequence[int], dim: int) -> list[int]:
    """The three dimensions of a tensor in which what is before ``dim``, and what is behind it, stand as one."""
    return [prod(shape[:dim]), shape[dim], prod(shape[dim + 1 :])]


def is_held(axes: Collection[int], shape: Sequence[int], made: Sequence[int]) -> bool:
    """Whether an op along ``axes`` can work on a tensor as an operand holds it, in one of the orders it has."""
    return any(works_along(axes, shape, made, nhwc=nhwc) for nhwc in orders_of(len(shape)))


def _axes(call: Call) -> set[int]:
    """The dimensions that a call is along; none where it is of the whole tensor."""
    found = call.arguments["dims" if "dims" in call.arguments else "dim"]
    given = found if isinstance(found, list) else [] if found is None else [found]
    return {axis % call.tensor("self").rank for axis in given if isinstance(axis, int)}


def _along(op: str, code: _Code, call: Call) -> str | None:
    shape, made = call.tensor("self").shape, call.outputs[0].shape
    if len(shape) <= MAX_RANK or call.arguments.get("dtype") is not None or call.arguments.get("half_to_float"):
        return None
    axes = _axes(call)
    # Dimensions that are rolled by steps of their own cannot stand as one.
    if not axes or (op == "aten.roll.default" and len(axes) > 1):
        return None
    if op in FOLDED and is_held(axes, shape, made):
        return None
    found = _merged(shape, axes)
    if found is None:
        return None
    sizes, dims = found
    return _called(f"x = self.reshape({sizes})\n", code(call, dims), call)


def _called(before: str, code: str, call: Call, after: str = "") -> str:
    """What an op gives, in the shape that the call gives it."""
    made = f"{after}.reshape({list(call.outputs[0].shape)})"
    if len(call.outputs) == 1:
        return f"{before}{code}{made}"
    return f"{before}values, places = {code}\nvalues{made}, places{made}"


for _op, _written in {**FOLDED, **OTHERS}.items():
    expands(_op)(partial(_along, _op, _written))


def _along_last(code: str, call: Call) -> str | None:
    """Along the last dimension of two or three, as TOPK_V2 takes no other."""
    shape, dim = call.tensor("self").shape, call.dimension("dim")
    is_last = dim == len(shape) - 1
    if not shape or (is_last and len(shape) <= MAX_RANK):
        return None
    sizes = around(shape, dim)[: 2 if is_last else 3]
    turned = "" if is_last else ".transpose(1, 2)"
    return _called(f"x = self.reshape({sizes}){turned}\n", code, call, turned)


@expands("aten.topk.default")
def topk(call: Call) -> str | None:
    """The largest or smallest."""
    return _along_last(f"torch.topk(x, {call.integer('k')}, -1, {call.truth('largest')}, {call.truth('sorted')})", call)


@expands("aten.sort.default", "aten.sort.stable")
def sort(call: Call) -> str | None:
    """All in order; that of equal elements is left open."""
    is_open = not call.arguments.get("stable")
    return _along_last(f"torch.sort(x, -1, {call.truth('descending')})", call) if is_open else None


@expands("aten.gather.default")
def gather(call: Call) -> str | None:
    """Elements whose places are told for one dimension, of as many as there are in all others."""
    shape, places = call.tensor("self").shape, call.tensor("index").shape
    if len(shape) <= MAX_RANK:
        return None
    dim = call.dimension("dim")
    if any(
        of_self != of_index for axis, (of_self, of_index) in enumerate(zip(shape, places, strict=True)) if axis != dim
    ):
        return None
    x, index = f"self.reshape({around(shape, dim)})", f"index.reshape({around(places, dim)})"
    return f"torch.gather({x}, 1, {index}).reshape({list(places)})"


@expands("aten.expand.default", "aten.expand_as.default")
def expand(call: Call) -> str | None:
    """Repeated along dimensions of 1."""
    shape, made = call.tensor("self").shape, call.outputs[0].shape
    padded = (1,) * (len(made) - len(shape)) + tuple(shape)
    axes = {axis for axis, (before, after) in enumerate(zip(padded, made, strict=True)) if before != after}
    if len(made) <= MAX_RANK or not axes or is_held(axes, made, made):
        return None
    before, after = _merged(padded, axes), _merged(made, axes)
    if before is None or after is None:
        return None
    return f"self.reshape({before[0]}).expand({after[0]}).reshape({list(made)})"


@expands("aten.prelu.default")
def prelu(call: Call) -> str | None:
    """A slope for each channel, the dimensions behind which stand as one."""
    shape = call.tensor("self").shape
    if len(shape) <= MAX_RANK:
        return None
    return f"torch.prelu(self.reshape({[*shape[:2], prod(shape[2:])]}), weight).reshape({list(shape)})"
