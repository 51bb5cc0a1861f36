"""One time step of recurrent layers, and their run over a sequence, on real numbers in time-major order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import optional, required
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError
from nnapi_check.lowering.nnapi.interpreter.quantization import Floats, activate, fuse_code, store

State = TypeVar("State")

TANH = 4
SIGMOID = 6

LAYER_NORM_EPSILON = np.float32(1e-8)


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of an LSTM: what is multiplied with the input, the output state and the cell state.

    ``peephole``, ``norm`` and ``aux_weights`` are None where the layer does not use them.
    """

    input_weights: Floats
    recurrent_weights: Floats
    bias: Floats
    peephole: Floats | None
    norm: Floats | None
    aux_weights: Floats | None


@dataclass(frozen=True, slots=True)
class LstmCell:
    """The weights and limits of an LSTM. Without an input gate, its gate is one minus the forget gate.

    Clips of 0 are off.
    """

    input: Gate | None
    forget: Gate
    cell: Gate
    output: Gate
    projection: Floats | None
    projection_bias: Floats | None
    activation: int
    cell_clip: float
    projection_clip: float


@dataclass(frozen=True, slots=True)
class LstmState:
    """What an LSTM carries from one time step to the next."""

    output: Floats
    cell: Floats


@dataclass(frozen=True, slots=True)
class RnnCell:
    """The weights of a basic recurrent layer. ``aux_weights`` is None without an auxiliary input."""

    input_weights: Floats
    recurrent_weights: Floats
    bias: Floats
    aux_weights: Floats | None
    activation: int


def floats_at(call: Call, index: int, shape: tuple[int, ...]) -> Floats:
    """The real numbers of the tensor at ``index``, which must have the given shape."""
    found = required(call, index).array
    if found.shape != shape:
        raise ExecutionError(f"input {index} has shape {found.shape}, wanted {shape}")
    return found.astype(np.float32)


def optional_floats_at(call: Call, index: int, shape: tuple[int, ...]) -> Floats | None:
    """The same as ``floats_at``, or None where the input is omitted."""
    return None if optional(call, index) is None else floats_at(call, index, shape)


def time_major(sequence: Floats, *, is_time_major: bool) -> Floats:
    """A sequence with time before batch. The function is its own inverse."""
    return sequence if is_time_major else sequence.swapaxes(0, 1)


def stored(call: Call, *values: Floats) -> tuple[Array, ...]:
    """The values as the outputs of an operation store them."""
    return tuple(store(value, operand) for value, operand in zip(values, call.outputs, strict=True))


def apply_activation(code: int, values: Floats) -> Floats:
    """The activation function of a recurrent cell: those that are fused, tanh, and the logistic function."""
    if code == TANH:
        return np.tanh(values)
    if code == SIGMOID:
        return sigmoid(values)
    return activate(values, fuse_code(code))


def sigmoid(values: Floats) -> Floats:
    """The logistic function, in a form that does not overflow."""
    half: Floats = np.tanh(values * np.float32(0.5))
    return half * np.float32(0.5) + np.float32(0.5)


def lstm_step(cell: LstmCell, x: Floats, aux: Floats | None, state: LstmState) -> LstmState:
    """The state after one time step; its output is the layer's output."""

    def gate(weights: Gate, peephole_on: Floats) -> Floats:
        total = x @ weights.input_weights.T + state.output @ weights.recurrent_weights.T
        if aux is not None and weights.aux_weights is not None:
            total = total + aux @ weights.aux_weights.T
        if weights.peephole is not None:
            total = total + weights.peephole * peephole_on
        if weights.norm is not None:
            total = _normalized(total) * weights.norm
        return total + weights.bias

    forgetting = sigmoid(gate(cell.forget, state.cell))
    candidate = apply_activation(cell.activation, gate(cell.cell, state.cell))
    entering = 1 - forgetting if cell.input is None else sigmoid(gate(cell.input, state.cell))
    memory: Floats = forgetting * state.cell + entering * candidate
    memory = _clipped(memory, cell.cell_clip)
    hidden = sigmoid(gate(cell.output, memory)) * apply_activation(cell.activation, memory)
    if cell.projection is None:
        return LstmState(hidden, memory)
    projected: Floats = np.matmul(hidden, cell.projection.T)
    if cell.projection_bias is not None:
        projected += cell.projection_bias
    return LstmState(_clipped(projected, cell.projection_clip), memory)


def _normalized(values: Floats) -> Floats:
    mean = values.mean(axis=-1, keepdims=True)
    variance = np.square(values - mean).mean(axis=-1, keepdims=True)
    normal: Floats = (values - mean) / np.sqrt(variance + LAYER_NORM_EPSILON)
    return normal


def _clipped(values: Floats, limit: float) -> Floats:
    return np.clip(values, np.float32(-limit), np.float32(limit)) if limit > 0 else values


def rnn_step(cell: RnnCell, x: Floats, aux: Floats | None, state: Floats) -> Floats:
    """The hidden state after one time step, which is the layer's output."""
    total = x @ cell.input_weights.T + state @ cell.recurrent_weights.T + cell.bias
    if aux is not None and cell.aux_weights is not None:
        total = total + aux @ cell.aux_weights.T
    return apply_activation(cell.activation, total)


def run_lstm(
    cell: LstmCell, sequence: Floats, aux: Floats | None, state: LstmState, *, backward: bool = False
) -> tuple[Floats, LstmState]:
    """The outputs of all time steps of a time-major sequence, and the last state."""
    outputs, last = _run(lambda x, more, now: lstm_step(cell, x, more, now), sequence, aux, state, backward=backward)
    return _stacked([step.output for step in outputs], sequence, state.output), last


def run_rnn(
    cell: RnnCell, sequence: Floats, aux: Floats | None, state: Floats, *, backward: bool = False
) -> tuple[Floats, Floats]:
    """The outputs of all time steps of a time-major sequence, and the last hidden state."""
    outputs, last = _run(lambda x, more, now: rnn_step(cell, x, more, now), sequence, aux, state, backward=backward)
    return _stacked(outputs, sequence, state), last


def _run(
    step: Callable[[Floats, Floats | None, State], State],
    sequence: Floats,
    aux: Floats | None,
    state: State,
    *,
    backward: bool,
) -> tuple[list[State], State]:
    """Every state in order of time, and the one computed last."""
    states = []
    for time in range(sequence.shape[0])[:: -1 if backward else 1]:
        state = step(sequence[time], None if aux is None else aux[time], state)
        states.append(state)
    return (states[::-1] if backward else states), state


def _stacked(outputs: list[Floats], sequence: Floats, state: Floats) -> Floats:
    empty = np.zeros((sequence.shape[0], *state.shape), np.float32)
    return np.stack(outputs) if outputs else empty
