"""Products of matrices that are repeated, for batches broadcast."""

from __future__ import annotations

from math import prod

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands

_MATRIX = 2
"""Dimensions of a matrix."""


@expands("aten.matmul.default")
def matmul(call: Call) -> str | None:
    """The last dimensions that one of the second's matrices serves become rows, the others are expanded."""
    first, second, made = call.tensor("self").shape, call.tensor("other").shape, call.outputs[0].shape
    if min(len(first), len(second)) <= _MATRIX or first[:-2] == second[:-2]:
        return None
    rank, (rows, inner), columns = len(made) - _MATRIX, first[-2:], second[-1]
    left = [*[1] * (rank - len(first) + _MATRIX), *first[:-2]]
    right = [*[1] * (rank - len(second) + _MATRIX), *second[:-2]]
    shared = rank
    while shared and right[shared - 1] == 1:
        shared -= 1
    batches = list(made[:shared])
    x, height = "self", prod(left[shared:]) * rows
    if left[:shared] != batches:
        x = f"{x}.reshape({[*left, rows, inner]}).expand({[*batches, *left[shared:], rows, inner]})"
    y = f"other.reshape({[*right[:shared], inner, columns]})"
    if right[:shared] != batches:
        y = f"{y}.expand({[*batches, inner, columns]})"
    return f"torch.matmul({x}.reshape({[*batches, height, inner]}), {y}).reshape({list(made)})"
