"""What the two directions of a recurrent layer read of an operation's inputs, and how they give their outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import optional
from nnapi_check.lowering.nnapi.interpreter.kernels import Call, ExecutionError
from nnapi_check.lowering.nnapi.interpreter.quantization import Floats
from nnapi_check.lowering.nnapi.interpreter.recurrent_cells import time_major
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at


@dataclass(frozen=True, slots=True)
class Directions:
    """The sequences of both directions, with time before batch, and the one that both read beside theirs, if any."""

    forward: Floats
    backward: Floats
    aux: Floats | None
    is_time_major: bool

    @property
    def aux_size(self) -> int:
        """How many numbers of each step stand beside those of the sequences."""
        return 0 if self.aux is None else self.aux.shape[2]

    def outputs(self, ahead: Floats, back: Floats, *, are_merged: bool) -> tuple[Floats, ...]:
        """The outputs of both directions as the operation gives them."""
        found = tuple(time_major(outputs, is_time_major=self.is_time_major) for outputs in (ahead, back))
        return (np.concatenate(found, axis=2),) if are_merged else found


def read_directions(call: Call, *, is_time_major: bool, aux: int, weights: tuple[int, int]) -> Directions:
    """What the directions read: input 0 and, by the ``weights`` that each has for it, the auxiliary input ``aux``."""
    sequence = _sequence_at(call, 0, is_time_major=is_time_major)
    beside = None if optional(call, aux) is None else _sequence_at(call, aux, is_time_major=is_time_major)
    has_weights, has_others = (optional(call, index) is not None for index in weights)
    if has_weights != has_others or (has_weights and beside is None):
        raise ExecutionError("auxiliary weights are not given for both directions together with their input")
    if beside is None or has_weights:
        return Directions(sequence, sequence, beside, is_time_major)
    # Without weights of its own, the auxiliary input is what the backward direction reads.
    return Directions(sequence, beside, None, is_time_major)


def _sequence_at(call: Call, index: int, *, is_time_major: bool) -> Floats:
    return time_major(array_at(call, index, 3).astype(np.float32), is_time_major=is_time_major)
