"""One step of each kind of recurrent cell that NNAPI has an operation for."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.coverage_db.spec import FuseCode
from nnapi_check.lowering.compositions.recurrence import CellWeights, State
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import concatenate, full

_TANH = 4
"""The activation of NNAPI's recurrent operations that FuseCode has no name for."""


def lstm_step(emit: Emitter, x: OperandId, state: State, cell: CellWeights) -> State:
    """One step by LSTM. What it calls optional is given without effect, for the loader cannot leave inputs out:
    peepholes of zeros, and a projection that changes nothing."""
    gates = [cell.gate(index, 4) for index in range(4)]
    units = gates[0].of_input.shape[0]
    dtype = cell.of_input.dtype
    no_peephole = emit.weight(full((units,), 0.0, dtype))
    outs = emit.spec(state[0]).shape[1]
    projection = emit.weight(cell.projection) if cell.projection is not None else identity(emit, units, cell)
    inputs = [
        x,
        *(emit.weight(gate.of_input) for gate in gates),
        *(emit.weight(gate.of_state) for gate in gates),
        *[no_peephole] * 3,
        *(emit.weight(gate.input_bias + gate.state_bias) for gate in gates),
        projection,
        emit.weight(full((outs,), 0.0, dtype)),
        *state,
        emit.int32(_TANH),
        emit.scalar(0.0, x),
        emit.scalar(0.0, x),
    ]
    rows = emit.spec(x).shape[0]
    sizes = (4 * units, outs, units, outs)
    outputs = [replace(emit.spec(x), shape=(rows, size)) for size in sizes]
    _, last_output, last_cells, _ = emit.operations("LSTM", inputs, outputs)
    return last_output, last_cells


def identity(emit: Emitter, size: int, cell: CellWeights) -> OperandId:
    """A matrix that changes nothing."""
    dtype = cell.of_input.dtype
    ones, zeros = full((1,), 1.0, dtype), full((size,), 0.0, dtype)
    rows = concatenate((ones, zeros) * (size - 1) + (ones,), 0)
    return emit.weight(rows.reshape(size, size))


def relu_step(emit: Emitter, x: OperandId, state: State, cell: CellWeights) -> State:
    """One step by RNN with relu."""
    return (_rnn(emit, x, state, cell, FuseCode.RELU),)


def tanh_step(emit: Emitter, x: OperandId, state: State, cell: CellWeights) -> State:
    """One step by RNN without activation, and TANH."""
    made = _rnn(emit, x, state, cell, FuseCode.NONE)
    return (emit.operation("TANH", [made], emit.spec(made)),)


def _rnn(emit: Emitter, x: OperandId, state: State, cell: CellWeights, code: FuseCode) -> OperandId:
    inputs = [
        x,
        emit.weight(cell.of_input),
        emit.weight(cell.of_state),
        emit.weight(cell.input_bias + cell.state_bias),
        *state,
        emit.fuse(code),
    ]
    spec = emit.spec(state[0])
    _, output = emit.operations("RNN", inputs, [spec, spec])
    return output
