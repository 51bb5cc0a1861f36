"""Reductions of tensors of more dimensions than an operand has, over those that stand side by side as one."""

from __future__ import annotations

from itertools import groupby
from math import prod

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands
from nnapi_check.analyzer.held_axes import LAYOUT_RANKS, works_along
from nnapi_check.analyzer.nnapi_types import MAX_RANK


def _reduced(call: Call, name: str) -> str | None:
    shape, made = call.tensor("self").shape, call.outputs[0].shape
    rank = len(shape)
    if rank <= MAX_RANK or not call.arguments["dim"] or call.arguments.get("dtype") is not None:
        return None
    axes = {axis % rank for axis in call.integers("dim")}
    orders = (False, True) if rank in LAYOUT_RANKS else (False,)
    if any(works_along(axes, shape, made, nhwc=nhwc) for nhwc in orders):
        return None
    groups = [(is_reduced, list(group)) for is_reduced, group in groupby(range(rank), axes.__contains__)]
    if len(groups) > MAX_RANK:
        return None
    merged = [prod(shape[axis] for axis in group) for _, group in groups]
    dims = [place for place, (is_reduced, _) in enumerate(groups) if is_reduced]
    return f"self.reshape({merged}).{name}({dims}).reshape({list(made)})"


@expands("aten.sum.dim_IntList")
def total(call: Call) -> str | None:
    """The sum."""
    return _reduced(call, "sum")


@expands("aten.mean.dim")
def mean(call: Call) -> str | None:
    """The mean."""
    return _reduced(call, "mean")


@expands("aten.amax.default")
def greatest(call: Call) -> str | None:
    """The greatest number."""
    return _reduced(call, "amax")


@expands("aten.amin.default")
def least(call: Call) -> str | None:
    """The least number."""
    return _reduced(call, "amin")
