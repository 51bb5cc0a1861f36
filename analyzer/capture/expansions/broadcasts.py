"""Arithmetic of tensors that broadcast in more dimensions than an operand has: those that do so alike stand as one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands
from nnapi_check.analyzer.held_axes import merges_in_every_order
from nnapi_check.analyzer.nnapi_types import MAX_RANK

_FUNCTIONS = {
    "aten.add.Tensor": "add",
    "aten.sub.Tensor": "sub",
    "aten.mul.Tensor": "mul",
    "aten.div.Tensor": "div",
    "aten.maximum.default": "maximum",
    "aten.minimum.default": "minimum",
}
"""By op, the function of ``torch`` that calls it."""


def _merged(function: str, call: Call) -> str | None:
    made = call.outputs[0].shape
    # What is constant is repeated when the model is written.
    if len(made) <= MAX_RANK or not {"self", "other"} <= call.computed:
        return None
    shapes = {name: _aligned(call.tensor(name).shape, len(made)) for name in ("self", "other")}
    if all(merges_in_every_order(shape, made) for shape in shapes.values()):
        return None
    groups = _alike(list(zip(*shapes.values(), strict=True)))
    if len(groups) > MAX_RANK:
        return None
    left, right = ([prod(pair[side] for pair in group) for group in groups] for side in (0, 1))
    alpha = f", alpha={call.arguments['alpha']!r}" if "alpha" in call.arguments else ""
    return f"torch.{function}(self.reshape({left}), other.reshape({right}){alpha}).reshape({list(made)})"


def _aligned(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + tuple(shape)


def _alike(pairs: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Neighboring dimensions of both tensors that broadcast alike; one of size 1 in both goes with any."""
    groups: list[list[tuple[int, int]]] = [[]]
    last: tuple[bool, bool] | None = None
    for left, right in pairs:
        kind = (left == 1, right == 1)
        if kind != (True, True):
            if last not in (None, kind):
                groups.append([])
            last = kind
        groups[-1].append((left, right))
    return groups


for _op, _name in _FUNCTIONS.items():
    expands(_op)(partial(_merged, _name))
