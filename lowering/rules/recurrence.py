"""Recurrent layers: a cell for each step, or one operation for a sequence."""

from __future__ import annotations

from nnapi_check.coverage_db.spec import FuseCode
from nnapi_check.lowering.compositions.gated_units import (
    LOOKED_UP_STEPS,
    SPLIT_STEPS,
    run_gated_unit,
    run_gated_units,
)
from nnapi_check.lowering.compositions.recurrence import cell_arguments, first_states, layer_weights, run_layers
from nnapi_check.lowering.compositions.recurrent_cells import lstm_step, relu_step, tanh_step
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers


@lowers("aten.lstm.input", way="step-by-step")
def lstm(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to an LSTM for each step."""
    return run_layers(emit, lstm_step)


@lowers("aten.gru.input", way="step-by-step")
def gru(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to products of all steps with the input, and to products, LOGISTIC and TANH for each step."""
    return run_gated_units(emit, SPLIT_STEPS)


@lowers("aten.gru.input", way="steps-looked-up")
def gru_of_rows(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to the same with an EMBEDDING_LOOKUP for the rows of each step."""
    return run_gated_units(emit, LOOKED_UP_STEPS)


@lowers("aten.rnn_tanh.input", way="step-by-step")
def rnn_tanh(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to an RNN and a TANH for each step."""
    return run_layers(emit, tanh_step)


@lowers("aten.rnn_relu.input", way="step-by-step")
def rnn_relu(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to an RNN for each step."""
    return run_layers(emit, relu_step)


@lowers("aten.rnn_relu.input", way="sequence")
def rnn_sequence(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to a UNIDIRECTIONAL_SEQUENCE_RNN for each layer."""
    x = emit.input("input")
    (states,) = first_states(emit)
    for cell, state in zip(layer_weights(node), states, strict=True):
        inputs = [
            x,
            emit.weight(cell.of_input),
            emit.weight(cell.of_state),
            emit.weight(cell.input_bias + cell.state_bias),
            state,
            emit.fuse(FuseCode.RELU),
            emit.int32(0 if node.flag("batch_first") else 1),
        ]
        x = emit.operation("UNIDIRECTIONAL_SEQUENCE_RNN", inputs)
    return (x,)


@lowers("aten.lstm_cell.default", way="operation")
def lstm_cell(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to LSTM."""
    return lstm_step(emit, emit.input("input"), emit.inputs_of("hx"), cell_arguments(node))


@lowers("aten.gru_cell.default", way="composed")
def gru_cell(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to products, LOGISTIC and TANH."""
    return run_gated_unit(emit, SPLIT_STEPS)


@lowers("aten.gru_cell.default", way="gates-apart")
def gru_cell_of_gates(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to the same with products of their own for both gates."""
    return run_gated_unit(emit, LOOKED_UP_STEPS)


@lowers("aten.rnn_tanh_cell.default", way="operation")
def rnn_tanh_cell(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to RNN and TANH."""
    return tanh_step(emit, emit.input("input"), (emit.input("hx"),), cell_arguments(node))


@lowers("aten.rnn_relu_cell.default", way="operation")
def rnn_relu_cell(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
    """Lower to RNN."""
    return relu_step(emit, emit.input("input"), (emit.input("hx"),), cell_arguments(node))
