"""Kernels that enlarge a tensor at its borders."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import int_at, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import paddings_at

REFLECT = 0
SYMMETRIC = 1


@kernel("PAD", "PAD_V2")
def pad(call: Call) -> tuple[Array, ...]:
    """The tensor with a border of one value: PAD's is the real zero, PAD_V2's is given in stored form."""
    source = required(call, 0)
    borders = paddings_at(call, 1, source.array.ndim)
    value = required(call, 2).array.reshape(()) if call.kind == "PAD_V2" else np.array(source.quant.zero_point)
    return (np.pad(source.array, borders, constant_values=value.astype(source.array.dtype)),)


@kernel("MIRROR_PAD")
def mirror_pad(call: Call) -> tuple[Array, ...]:
    """The tensor with a mirrored border, without (reflect) or with (symmetric) its outermost element."""
    array = required(call, 0).array
    borders = paddings_at(call, 1, array.ndim)
    mode = int_at(call, 2)
    if mode not in (REFLECT, SYMMETRIC):
        raise ExecutionError(f"mode is {mode}, {REFLECT} or {SYMMETRIC} is wanted")
    for axis, (border, size) in enumerate(zip(borders, array.shape, strict=True)):
        most = size - 1 if mode == REFLECT else size
        if max(border) > most:
            raise ExecutionError(f"padding {border} of dimension {axis} is more than {most}")
    return (np.pad(array, borders, mode="reflect" if mode == REFLECT else "symmetric"),)
