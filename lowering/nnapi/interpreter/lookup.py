"""Kernels that look rows of a table up, by index or by key."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at


@kernel("EMBEDDING_LOOKUP")
def embedding_lookup(call: Call) -> tuple[Array, ...]:
    """The rows that the indices name; an index out of bounds is an error."""
    indices = array_at(call, 0, 1).astype(np.int64)
    table = required(call, 1).array
    if table.ndim < 2:
        raise ExecutionError(f"the table has rank {table.ndim}, wanted 2 or more")
    if indices.size and not 0 <= indices.min() <= indices.max() < table.shape[0]:
        raise ExecutionError(f"indices reach from {indices.min()} to {indices.max()}, wanted 0 to {table.shape[0] - 1}")
    return (table[indices],)


@kernel("HASHTABLE_LOOKUP")
def hashtable_lookup(call: Call) -> tuple[Array, ...]:
    """The rows whose keys are looked up, zeros where there is no such key, and a 1 for each hit.

    Keys must ascend.
    """
    wanted = array_at(call, 0, 1).astype(np.int64)
    keys = array_at(call, 1, 1).astype(np.int64)
    table = required(call, 2).array
    if table.ndim < 1 or table.shape[0] != keys.size:
        raise ExecutionError(f"{keys.size} keys for a table of shape {table.shape}, wanted one for each row")
    if np.any(keys[1:] < keys[:-1]):
        raise ExecutionError(f"keys are {keys.tolist()}, wanted in ascending order")
    rows = np.zeros((wanted.size, *table.shape[1:]), table.dtype)
    if not keys.size:
        return rows, np.zeros(wanted.size, np.uint8)
    positions = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    hits = keys[positions] == wanted
    rows[hits] = table[positions[hits]]
    return rows, hits.astype(np.uint8)
