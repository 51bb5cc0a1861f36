"""Kernels of long short-term memory layers in floating point: one step, a sequence, and both directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, float_at, int_at, optional, required
from nnapi_check.lowering.nnapi.interpreter.both_directions import read_directions
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.recurrent_cells import (
    Gate,
    LstmCell,
    LstmState,
    floats_at,
    lstm_step,
    optional_floats_at,
    run_lstm,
    stored,
    time_major,
)
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at


@dataclass(frozen=True, slots=True)
class LstmInputs:
    """Where an operation has the inputs of one LSTM: the first of its weights, its states, limits and so on.

    Weights, biases and projection are 17 inputs in a row, in the same order everywhere. ``aux`` is None for
    operations without auxiliary weights.
    """

    weights: int
    state: int
    activation: int
    norm: int
    aux: int | None = None


LSTM = LstmInputs(weights=1, state=18, activation=20, norm=23)
SEQUENCE_LSTM = LstmInputs(weights=1, state=18, activation=20, norm=24)
FORWARD_LSTM = LstmInputs(weights=1, state=35, activation=48, norm=53, aux=40)
BACKWARD_LSTM = LstmInputs(weights=18, state=37, activation=48, norm=57, aux=44)

_GATES = ("input", "forget", "cell", "output")
_PEEPHOLES = ("input", "forget", "output")


@kernel("LSTM")
def lstm(call: Call) -> tuple[Array, ...]:
    """One time step: scratch space, output state, cell state, and the output, which equals the output state.

    What the scratch space holds is not specified; here it is zero.
    """
    x = array_at(call, 0, 2).astype(np.float32)
    cell = _read_cell(call, LSTM, x.shape[1], 0)
    state = lstm_step(cell, x, None, _read_state(call, LSTM, cell, x.shape[0]))
    gates = 3 if cell.input is None else 4
    scratch = np.zeros((x.shape[0], gates * state.cell.shape[1]), np.float32)
    return stored(call, scratch, state.output, state.cell, state.output)


@kernel("UNIDIRECTIONAL_SEQUENCE_LSTM")
def sequence_lstm(call: Call) -> tuple[Array, ...]:
    """All outputs of a sequence and, where they are declared, the last output state and cell state."""
    is_time_major = bool_at(call, 23)
    sequence = time_major(array_at(call, 0, 3).astype(np.float32), is_time_major=is_time_major)
    cell = _read_cell(call, SEQUENCE_LSTM, sequence.shape[2], 0)
    state = _read_state(call, SEQUENCE_LSTM, cell, sequence.shape[1])
    outputs, last = run_lstm(cell, sequence, None, state)
    outputs = time_major(outputs, is_time_major=is_time_major)
    return stored(call, *(outputs, last.output, last.cell)[: len(call.outputs)])


@kernel("BIDIRECTIONAL_SEQUENCE_LSTM")
def bidirectional_lstm(call: Call) -> tuple[Array, ...]:
    """All outputs of both directions, apart or merged, and, where they are declared, the four last states."""
    read = read_directions(call, is_time_major=bool_at(call, 52), aux=39, weights=(41, 45))
    forward = _read_cell(call, FORWARD_LSTM, read.forward.shape[2], read.aux_size)
    backward = _read_cell(call, BACKWARD_LSTM, read.backward.shape[2], read.aux_size)
    forward_state = _read_state(call, FORWARD_LSTM, forward, read.forward.shape[1])
    backward_state = _read_state(call, BACKWARD_LSTM, backward, read.forward.shape[1])
    ahead, ahead_last = run_lstm(forward, read.forward, read.aux, forward_state)
    back, back_last = run_lstm(backward, read.backward, read.aux, backward_state, backward=True)
    outputs = read.outputs(ahead, back, are_merged=bool_at(call, 51))
    states = (ahead_last.output, ahead_last.cell, back_last.output, back_last.cell)
    return stored(call, *(*outputs, *states)[: len(call.outputs)])


def _read_state(call: Call, at: LstmInputs, cell: LstmCell, batches: int) -> LstmState:
    units, outputs = cell.output.recurrent_weights.shape
    return LstmState(
        output=floats_at(call, at.state, (batches, outputs)), cell=floats_at(call, at.state + 1, (batches, units))
    )


def _read_cell(call: Call, at: LstmInputs, input_size: int, aux_size: int) -> LstmCell:
    recurrent = required(call, at.weights + 7).array
    if recurrent.ndim != 2:
        raise ExecutionError(f"input {at.weights + 7} has rank {recurrent.ndim}, wanted 2")
    units, outputs = recurrent.shape
    _require_consistent_options(call, at)

    def gate(name: str) -> Gate:
        position = _GATES.index(name)
        peephole = None
        if name in _PEEPHOLES:
            peephole = optional_floats_at(call, at.weights + 8 + _PEEPHOLES.index(name), (units,))
        aux_weights = None
        if at.aux is not None and aux_size:
            aux_weights = floats_at(call, at.aux + position, (units, aux_size))
        return Gate(
            input_weights=floats_at(call, at.weights + position, (units, input_size)),
            recurrent_weights=floats_at(call, at.weights + 4 + position, (units, outputs)),
            bias=floats_at(call, at.weights + 11 + position, (units,)),
            peephole=peephole,
            norm=optional_floats_at(call, at.norm + position, (units,)),
            aux_weights=aux_weights,
        )

    cell = LstmCell(
        input=None if optional(call, at.weights) is None else gate("input"),
        forget=gate("forget"),
        cell=gate("cell"),
        output=gate("output"),
        projection=optional_floats_at(call, at.weights + 15, (outputs, units)),
        projection_bias=optional_floats_at(call, at.weights + 16, (outputs,)),
        activation=int_at(call, at.activation),
        cell_clip=float_at(call, at.activation + 1),
        projection_clip=float_at(call, at.activation + 2),
    )
    if cell.projection is None and outputs != units:
        raise ExecutionError(f"without a projection there are {outputs} outputs of {units} units, wanted as many")
    return cell


def _require_consistent_options(call: Call, at: LstmInputs) -> None:
    """The input gate, the peepholes and the layer normalization are each given as a whole or not at all."""
    has_input_gate = optional(call, at.weights) is not None
    peepholes = (0, 1, 2) if has_input_gate else (1, 2)
    norms = (0, 1, 2, 3) if has_input_gate else (1, 2, 3)
    for name, indices in (
        ("the input gate", (at.weights, at.weights + 4, at.weights + 11)),
        ("the peephole weights", tuple(at.weights + 8 + offset for offset in peepholes)),
        ("the layer normalization weights", tuple(at.norm + offset for offset in norms)),
    ):
        if len({optional(call, index) is None for index in indices}) > 1:
            raise ExecutionError(
                f"{name} (inputs {', '.join(map(str, indices))}) are given in part, wanted all or none"
            )
