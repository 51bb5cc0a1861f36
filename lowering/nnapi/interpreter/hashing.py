"""The kernel that projects a tensor to bits by locality-sensitive hashing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnapi_check.lowering.nnapi.interpreter.arguments import int_at, optional, required
from nnapi_check.lowering.nnapi.interpreter.farmhash import fingerprint64
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at

SPARSE_WITHOUT_OFFSET = 1
DENSE = 2
SPARSE = 3

LARGEST_SIGNATURE_BITS = 32


@kernel("LSH_PROJECTION")
def lsh_projection(call: Call) -> tuple[Array, ...]:
    """The bits of all hash functions one by one (dense), or one number for each hash function (sparse).

    A bit tells whether the sum of the hashed items, each times its weight, is positive.
    """
    seeds = array_at(call, 0, 2)
    items = required(call, 1).array
    projection = int_at(call, 3)
    functions, bits = seeds.shape
    if projection not in (SPARSE_WITHOUT_OFFSET, DENSE, SPARSE):
        raise ExecutionError(f"the type is {projection}, wanted {SPARSE_WITHOUT_OFFSET}, {DENSE} or {SPARSE}")
    if items.ndim < 1 or items.shape[0] == 0:
        raise ExecutionError(f"the input has shape {items.shape}, wanted items along the first dimension")
    if projection == SPARSE and bits + math.ceil(math.log2(max(functions, 1))) > LARGEST_SIGNATURE_BITS:
        raise ExecutionError(f"{functions} hash functions of {bits} bits do not fit {LARGEST_SIGNATURE_BITS} bits")
    found = np.asarray([_bit(call, float(seed), items) for seed in seeds.reshape(-1)]).reshape(seeds.shape)
    if projection == DENSE:
        return (found.reshape(-1).astype(np.int32),)
    signatures = found @ (1 << np.arange(bits, dtype=np.int64)[::-1])
    if projection == SPARSE:
        # Signatures of different functions must not collide.
        signatures = signatures + (np.arange(functions, dtype=np.int64) << bits)
    return (signatures.astype(np.uint32).view(np.int32),)


def _bit(call: Call, seed: float, items: Array) -> int:
    weights = _weights(call, items.shape[0])
    prefix = np.float32(seed).tobytes()
    keys = (prefix + np.ascontiguousarray(item).tobytes() for item in items)
    hashes = np.asarray([fingerprint64(key) for key in keys], dtype=np.uint64).view(np.int64)
    return int(float(np.sum(hashes.astype(np.float64) * weights)) > 0)


def _weights(call: Call, count: int) -> npt.NDArray[np.float64]:
    if optional(call, 2) is None:
        return np.ones(count)
    weights = array_at(call, 2, 1)
    if weights.size != count:
        raise ExecutionError(f"{weights.size} weights for {count} items")
    return weights.astype(np.float64)
