"""Reductions of tensors of more dimensions than an operand has, over those that stand side by side as one."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from math import prod

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands
from nnapi_check.analyzer.held_axes import orders_of, works_along
from nnapi_check.analyzer.nnapi_types import MAX_RANK

_METHODS = {
    "aten.sum.dim_IntList": "sum",
    "aten.mean.dim": "mean",
    "aten.amax.default": "amax",
    "aten.amin.default": "amin",
}
"""By op, the method of tensors that calls it."""


def _merged(call: Call, axes: set[int]) -> tuple[list[int], list[int]] | None:
    """The shape in which dimensions that are reduced, or not, stand as one, and those to reduce in it."""
    shape, made = call.tensor("self").shape, call.outputs[0].shape
    rank = len(shape)
    if any(works_along(axes, shape, made, nhwc=nhwc) for nhwc in orders_of(rank)):
        return None
    groups = [(is_reduced, list(group)) for is_reduced, group in groupby(range(rank), axes.__contains__)]
    if len(groups) > MAX_RANK:
        return None
    merged = [prod(shape[axis] for axis in group) for _, group in groups]
    return merged, [place for place, (is_reduced, _) in enumerate(groups) if is_reduced]


def _reduced(method: str, call: Call) -> str | None:
    rank = call.tensor("self").rank
    if rank <= MAX_RANK or not call.arguments["dim"] or call.arguments.get("dtype") is not None:
        return None
    found = _merged(call, {axis % rank for axis in call.integers("dim")})
    if found is None:
        return None
    shape, dims = found
    return f"self.reshape({shape}).{method}({dims}).reshape({list(call.outputs[0].shape)})"


for _op, _method in _METHODS.items():
    expands(_op)(partial(_reduced, _method))


def _extreme(method: str, call: Call) -> str | None:
    """The largest or smallest elements and their places."""
    if call.tensor("self").rank <= MAX_RANK:
        return None
    found = _merged(call, {call.dimension("dim")})
    if found is None:
        return None
    shape, (dim,) = found
    made = list(call.outputs[0].shape)
    return f"values, indices = self.reshape({shape}).{method}({dim})\nvalues.reshape({made}), indices.reshape({made})"


for _op, _method in {"aten.max.dim": "max", "aten.min.dim": "min"}.items():
    expands(_op)(partial(_extreme, _method))
