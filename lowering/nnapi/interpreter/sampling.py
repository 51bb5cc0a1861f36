"""The kernel that draws random numbers."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import int_at
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at, integers_at


@kernel("RANDOM_MULTINOMIAL")
def random_multinomial(call: Call) -> tuple[Array, ...]:
    """Classes drawn for each row, with probabilities proportional to the exponentials of its elements.

    NNAPI specifies the distribution, not the generator. The same seeds give the same draws here; two seeds of 0 are
    replaced by random ones. Elements that are not finite have probability 0.
    """
    logits = array_at(call, 0, 2).astype(np.float64)
    count = int_at(call, 1)
    seeds = integers_at(call, 2)
    if count < 0 or len(seeds) != 2:
        raise ExecutionError(f"{count} samples from {len(seeds)} seeds, wanted 0 or more from 2 seeds")
    generator = np.random.default_rng([seed & 0xFFFFFFFF for seed in seeds] if any(seeds) else None)
    drawn = np.zeros((logits.shape[0], count), np.int32)
    for row, values in enumerate(logits):
        finite = np.isfinite(values)
        if not finite.any():
            raise ExecutionError(f"row {row} has no finite element")
        likelihoods = np.where(finite, np.exp(np.where(finite, values, -np.inf) - values[finite].max()), 0)
        bounds = np.cumsum(likelihoods)
        drawn[row] = np.searchsorted(bounds, generator.random(count) * bounds[-1], side="right")
    return (drawn,)
