"""Kernels of one time step of a quantized long short-term memory layer.

Both compute gates in 16-bit fixed point: they read 12 fraction bits and yield 15.
"""

from __future__ import annotations

import math

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import float_at, int_at, optional, required
from nnapi_check.lowering.nnapi.interpreter.fixed_point import (
    GATE_BITS,
    ONE,
    UNIT_BITS,
    Fixed,
    inverse_root_bits,
    logistic,
    product_of_units,
    rescale,
    rescale_by_steps,
    saturate16,
    shift_right,
    tanh,
)
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, Tensor, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import saturate
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at

GATE_INTEGER_BITS = UNIT_BITS - GATE_BITS

STATE_BITS = 11
"""Fraction bits of the cell state of QUANTIZED_16BIT_LSTM."""

_NORM_BITS = 10
"""Fraction bits of normalized numbers in the layer normalization of QUANTIZED_LSTM."""

_GATES = ("input", "forget", "cell", "output")
_PEEPHOLES = ("input", "forget", "output")


@kernel("QUANTIZED_16BIT_LSTM")
def quantized_16bit_lstm(call: Call) -> tuple[Array, ...]:
    """The cell state, and the output, which is the input of the next step.

    Input and output stand for numbers between -1 and 1. All weights share one scale and zero point.
    """
    x = _centered_at(call, 0, 2)
    state = _centered_at(call, 13, 2)
    previous = _centered_at(call, 14, 2)
    _require_16bit_scales(call)
    units = previous.shape[1]
    factor = 2.0**GATE_BITS * required(call, 1).quant.scale * required(call, 0).quant.scale

    # Each gate's matrix is its recurrent weights followed by its input weights; the conformance tests multiply it with
    # the input followed by the previous output, although the weights' names say otherwise.
    column = np.concatenate([x, previous], axis=1)

    def gate(position: int) -> Fixed:
        weights = _centered_at(call, 1 + position, 2)
        recurrent = _centered_at(call, 5 + position, 2)
        bias = _centered_at(call, 9 + position, 1)
        _require_shapes(
            {"input weights": (weights, (units, x.shape[1])), "recurrent weights": (recurrent, (units, units))}
        )
        matrix = np.concatenate([recurrent, weights], axis=1)
        return saturate16(rescale(bias + column @ matrix.T, factor))

    entering = logistic(gate(0), GATE_INTEGER_BITS)
    forgetting = logistic(gate(1), GATE_INTEGER_BITS)
    candidate = tanh(gate(2), GATE_INTEGER_BITS)
    leaving = logistic(gate(3), GATE_INTEGER_BITS)
    added = shift_right(product_of_units(entering, candidate), UNIT_BITS - STATE_BITS)
    state = saturate16(added + product_of_units(forgetting, state))
    # Beyond 8 the hyperbolic tangent is 1 anyway, so the state may lose its highest bit.
    output = product_of_units(leaving, tanh(saturate16(state << GATE_BITS - STATE_BITS), GATE_INTEGER_BITS))
    return (
        state.astype(np.int16),
        saturate(shift_right(output, UNIT_BITS - 7) + 128, call.outputs[1].type),
    )


def _require_16bit_scales(call: Call) -> None:
    """Scales and zero points are part of the operation's definition, not free."""
    weights = required(call, 1).quant
    for index in range(1, 9):
        if required(call, index).quant != weights:
            raise ExecutionError(f"weights {index} have {required(call, index).quant}, wanted {weights} as input 1")
    for index in (0, 14):
        quant = required(call, index).quant
        if quant.scale != 1 / 128 or quant.zero_point != 128:
            raise ExecutionError(f"input {index} has {quant}, wanted scale 1/128 and zero point 128")
    if required(call, 13).quant.scale != 2.0**-STATE_BITS:
        raise ExecutionError(f"the cell state has scale {required(call, 13).quant.scale}, wanted {2.0**-STATE_BITS}")


@kernel("QUANTIZED_LSTM")
def quantized_lstm(call: Call) -> tuple[Array, ...]:
    """The output state, the cell state, and the output, which equals the output state."""
    x = _centered_at(call, 0, 2)
    previous = _centered_at(call, 18, 2)
    state = _centered_at(call, 19, 2)
    state_bits = -round(math.log2(required(call, 19).quant.scale))
    if state_bits < 9 or not math.isclose(required(call, 19).quant.scale, 2.0**-state_bits, rel_tol=1e-3):
        raise ExecutionError(f"the cell state has scale {required(call, 19).quant.scale}, wanted a power of 2 to 2**-9")
    has_input_gate = optional(call, 1) is not None
    forgetting = logistic(_gate(call, "forget", x, previous, state), GATE_INTEGER_BITS)
    candidate = tanh(_gate(call, "cell", x, previous, state), GATE_INTEGER_BITS)
    entering = ONE - forgetting
    if has_input_gate:
        entering = logistic(_gate(call, "input", x, previous, state), GATE_INTEGER_BITS)
    kept = shift_right(forgetting * state, UNIT_BITS)
    state = saturate16(kept + shift_right(entering * candidate, 2 * UNIT_BITS - state_bits))
    clip = float_at(call, 24, 0.0)
    if clip > 0:
        limit = min(int(clip / required(call, 19).quant.scale), 2**15 - 1)
        state = np.clip(state, -limit, limit)
    leaving = logistic(_gate(call, "output", x, previous, state), GATE_INTEGER_BITS)
    hidden = rescale(leaving * tanh(state, UNIT_BITS - state_bits), 2.0 ** (-2 * UNIT_BITS) / float_at(call, 31))
    output = _projected(call, hidden)
    stored = saturate(output, call.outputs[0].type)
    return stored, state.astype(np.int16), stored


def _projected(call: Call, hidden: Fixed) -> Fixed:
    """The stored output. Without a projection it is the hidden state in the hidden state's own quantization."""
    zero_point = int_at(call, 30)
    hidden = np.clip(hidden + zero_point, -128, 127)
    if optional(call, 16) is None:
        return hidden
    weights = _centered_at(call, 16, 2)
    quant = required(call, 18).quant
    total = (hidden - zero_point) @ weights.T
    if optional(call, 17) is not None:
        total = total + _centered_at(call, 17, 1)
    real_scale = required(call, 16).quant.scale * float_at(call, 31)
    output = rescale(total, real_scale / quant.scale)
    clip = float_at(call, 25, 0.0)
    if clip > 0:
        limit = int(clip / quant.scale)
        output = np.clip(output, -limit, limit)
    return output + quant.zero_point


def _gate(call: Call, name: str, x: Fixed, previous: Fixed, state: Fixed) -> Fixed:
    """What a gate's function reads, with 12 fraction bits."""
    position = _GATES.index(name)
    scale = float_at(call, 26 + position)
    weights, recurrent = required(call, 1 + position), required(call, 5 + position)
    units, outputs = required(call, 8).array.shape
    _require_shapes(
        {
            f"{name} weights": (weights.array, (units, x.shape[1])),
            f"recurrent {name} weights": (recurrent.array, (units, outputs)),
        }
    )
    norm = optional(call, 20 + position)
    total = x @ weights.array.astype(np.int64).T
    if norm is None:
        # The bias has the scale of this product. With normalization it is added afterwards.
        total = total + _centered_at(call, 12 + position, 1)
    sums = saturate16(rescale(total, weights.quant.scale * required(call, 0).quant.scale / scale))
    total = previous @ recurrent.array.astype(np.int64).T
    sums = saturate16(sums + rescale(total, recurrent.quant.scale * required(call, 18).quant.scale / scale))
    peephole = optional(call, 9 + _PEEPHOLES.index(name)) if name in _PEEPHOLES else None
    if peephole is not None:
        factor = required(call, 19).quant.scale * peephole.quant.scale / scale
        sums = saturate16(sums + rescale(peephole.array.astype(np.int64) * state, factor))
    if norm is None:
        return saturate16(rescale(sums, scale * 2.0**GATE_BITS))
    return _normalized(sums, norm, _centered_at(call, 12 + position, 1))


def _normalized(sums: Fixed, norm: Tensor, bias: Fixed) -> Fixed:
    """Layer normalization: the weights' scale is the result's, and the bias has 10 fraction bits of it more."""
    mean = sums.mean(axis=-1, keepdims=True)
    variances = np.floor(np.square(sums - mean).mean(axis=-1))
    normal = np.zeros_like(sums)
    for batch, variance in enumerate(variances):
        distance = (sums[batch] << _NORM_BITS) - np.trunc(mean[batch] * 2**_NORM_BITS).astype(np.int64)
        normal[batch] = rescale_by_steps(distance, 1 / math.sqrt(max(variance, 1)), inverse_root_bits(int(variance)))
    weighted = shift_right(normal * norm.array.astype(np.int64) + bias, _NORM_BITS)
    return saturate16(rescale(weighted, norm.quant.scale * 2.0**GATE_BITS))


def _centered_at(call: Call, index: int, rank: int) -> Fixed:
    array = array_at(call, index, rank)
    return array.astype(np.int64) - required(call, index).quant.zero_point


def _require_shapes(found: dict[str, tuple[Array, tuple[int, ...]]]) -> None:
    for name, (array, wanted) in found.items():
        if array.shape != wanted:
            raise ExecutionError(f"the {name} have shape {array.shape}, wanted {wanted}")
