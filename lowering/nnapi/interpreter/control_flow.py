"""Kernels that run referenced models: a choice between two, and a loop."""

from __future__ import annotations

import time

from nnapi_check.lowering.nnapi.interpreter.arguments import required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, LoopTimeoutError, Tensor, kernel

LOOP_SECONDS = 15.0
"""The longest time a loop may take: the largest timeout that NNAPI grants (its default is 2 seconds)."""

LOOP_ITERATIONS = 20_000
"""The largest number of iterations, so that an endless loop fails soon and in the same way on every machine."""


@kernel("IF")
def choose(call: Call) -> tuple[Array, ...]:
    """The outputs of the one model or the other, by a tensor of one truth value."""
    chosen = 1 if _truth(required(call, 0)) else 2
    inputs = [required(call, index) for index in range(3, len(call.inputs))]
    return tuple(output.array for output in call.run(_referenced(call, chosen), inputs))


@kernel("WHILE")
def loop(call: Call) -> tuple[Array, ...]:
    """The body's outputs, fed back as its first inputs until the condition is false.

    What the body yields beyond the operation's outputs is state; its remaining inputs never change.
    """
    condition, body = _referenced(call, 0), _referenced(call, 1)
    values = [required(call, index) for index in range(2, len(call.inputs))]
    seconds = min(LOOP_SECONDS, call.loop_seconds)
    end = time.monotonic() + seconds
    for _ in range(LOOP_ITERATIONS):
        if not _truth(*call.run(condition, values)):
            return tuple(value.array for value in values[: len(call.outputs)])
        if time.monotonic() > end:
            raise LoopTimeoutError(f"the loop runs for more than {seconds} seconds")
        outputs = call.run(body, values)
        values[: len(outputs)] = outputs
    raise LoopTimeoutError(f"the loop runs for more than {LOOP_ITERATIONS} iterations")


def _truth(condition: Tensor) -> bool:
    if condition.array.size != 1:
        raise ExecutionError(f"the condition has shape {condition.array.shape}, wanted one truth value")
    return bool(condition.array.item())


def _referenced(call: Call, index: int) -> int:
    model = call.references[index]
    if model is None:
        raise ExecutionError(f"input {index} refers to no model")
    return model
