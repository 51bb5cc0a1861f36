"""Kernels of basic recurrent layers, and of layers that factor a long filter (SVDF)."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, int_at
from nnapi_check.lowering.nnapi.interpreter.both_directions import read_directions
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.recurrent_cells import (
    RnnCell,
    apply_activation,
    floats_at,
    optional_floats_at,
    rnn_step,
    run_rnn,
    stored,
    time_major,
)
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at


@kernel("RNN")
def rnn(call: Call) -> tuple[Array, ...]:
    """One time step: the hidden state, and the output, which equals it."""
    x = array_at(call, 0, 2).astype(np.float32)
    cell = _read_cell(call, 1, x.shape[1], int_at(call, 5))
    state = rnn_step(cell, x, None, floats_at(call, 4, (x.shape[0], cell.bias.size)))
    return stored(call, state, state)


@kernel("UNIDIRECTIONAL_SEQUENCE_RNN")
def sequence_rnn(call: Call) -> tuple[Array, ...]:
    """All outputs of a sequence and, where it is declared, the last hidden state."""
    order = int_at(call, 6)
    if order not in (0, 1):
        raise ExecutionError(f"input 6 (time-major) is {order}, wanted 0 or 1")
    sequence = time_major(array_at(call, 0, 3).astype(np.float32), is_time_major=order == 1)
    cell = _read_cell(call, 1, sequence.shape[2], int_at(call, 5))
    outputs, last = run_rnn(cell, sequence, None, floats_at(call, 4, (sequence.shape[1], cell.bias.size)))
    outputs = time_major(outputs, is_time_major=order == 1)
    return stored(call, *(outputs, last)[: len(call.outputs)])


@kernel("BIDIRECTIONAL_SEQUENCE_RNN")
def bidirectional_rnn(call: Call) -> tuple[Array, ...]:
    """All outputs of both directions, apart or merged, and, where they are declared, the two last states."""
    read = read_directions(call, is_time_major=bool_at(call, 13), aux=9, weights=(10, 11))
    activation, batches = int_at(call, 12), read.forward.shape[1]
    forward = _read_cell(call, 1, read.forward.shape[2], activation, aux=10, aux_size=read.aux_size)
    backward = _read_cell(call, 5, read.backward.shape[2], activation, aux=11, aux_size=read.aux_size)
    forward_state = floats_at(call, 4, (batches, forward.bias.size))
    backward_state = floats_at(call, 8, (batches, backward.bias.size))
    ahead, ahead_last = run_rnn(forward, read.forward, read.aux, forward_state)
    back, back_last = run_rnn(backward, read.backward, read.aux, backward_state, backward=True)
    outputs = read.outputs(ahead, back, are_merged=bool_at(call, 14))
    return stored(call, *(*outputs, ahead_last, back_last)[: len(call.outputs)])


@kernel("SVDF")
def svdf(call: Call) -> tuple[Array, ...]:
    """The state with its oldest entry dropped, and the output.

    The newest entry of a filter's memory is the input times the filter's feature weights; the output sums, over the
    rank, the memory times the time weights.
    """
    x = array_at(call, 0, 2).astype(np.float32)
    time_weights = array_at(call, 2, 2).astype(np.float32)
    filters, memory_size = time_weights.shape
    rank = int_at(call, 5)
    if rank < 1 or filters % rank:
        raise ExecutionError(f"{filters} filters are not a multiple of rank {rank}")
    units = filters // rank
    features = x @ floats_at(call, 1, (filters, x.shape[1])).T
    memory = floats_at(call, 4, (x.shape[0], filters * memory_size)).reshape(x.shape[0], filters, memory_size)
    memory = np.concatenate([memory[:, :, :-1], features[:, :, np.newaxis]], axis=2)
    sums = (memory * time_weights).sum(axis=2).reshape(x.shape[0], units, rank).sum(axis=2)
    bias = optional_floats_at(call, 3, (units,))
    output = apply_activation(int_at(call, 6), sums if bias is None else sums + bias)
    shifted = np.concatenate([memory[:, :, 1:], np.zeros_like(memory[:, :, :1])], axis=2)
    return stored(call, shifted.reshape(x.shape[0], filters * memory_size), output)


def _read_cell(
    call: Call, first: int, input_size: int, activation: int, *, aux: int | None = None, aux_size: int = 0
) -> RnnCell:
    units = array_at(call, first, 2).shape[0]
    return RnnCell(
        input_weights=floats_at(call, first, (units, input_size)),
        recurrent_weights=floats_at(call, first + 1, (units, units)),
        bias=floats_at(call, first + 2, (units,)),
        aux_weights=floats_at(call, aux, (units, aux_size)) if aux is not None and aux_size else None,
        activation=activation,
    )
