"""Recurrent operations with every optional input, whose inputs go by their documented names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Model, ModelInput, NoValue, Operand, Source
from tests.lowering.nnapi.small_models import F16, F32, I32, Q8S, Q16S, computed, given, half, scalar, single, weights

GATES = ("input", "forget", "cell", "output")
PEEPHOLES = ("input", "forget", "output")
DIRECTIONS = ("forward ", "backward ")

BATCHES, STEPS, SIZE = 2, 7, 3
CELLS = {"": 4, "forward ": 4, "backward ": 6}
PROJECTED = {"": 5, "forward ": 5, "backward ": 8}


@dataclass(frozen=True, slots=True)
class Layer:
    """A recurrent operation: its inputs by name in the documented order, those that are optional, and its outputs."""

    kind: str
    inputs: Mapping[str, Operand]
    optional: tuple[str, ...]
    outputs: tuple[Operand, ...]

    def model(self, left_out: Collection[str] = (), given_later: Collection[str] = ()) -> Model:
        """The operation, in which inputs that are left out have no value, and others only at execution."""
        sources: dict[str, Source] = {**dict.fromkeys(left_out, NoValue()), **dict.fromkeys(given_later, ModelInput())}
        inputs = [replace(operand, source=sources.get(name, operand.source)) for name, operand in self.inputs.items()]
        return single(self.kind, inputs, self.outputs)


@dataclass(frozen=True, slots=True)
class Elements:
    """The types and scales of an LSTM's weights."""

    matrix: OperandType
    row: OperandType
    bias: OperandType
    matrix_scale: float = 0.0
    row_scale: float = 0.0


BYTES = Elements(OperandType.TENSOR_QUANT8_SYMM, Q16S, I32, matrix_scale=0.25, row_scale=0.125)
"""The elements of QUANTIZED_LSTM."""


def _width(way: str, *, is_projected: bool) -> int:
    """How wide an output is, which without a projection is as many cells as there are."""
    return (PROJECTED if is_projected else CELLS)[way]


def _weights(elements: Elements, way: str, width: int) -> dict[str, Operand]:
    """The 17 inputs in a row that all LSTM operations share."""
    cells, matrix, scale = CELLS[way], elements.matrix, elements.matrix_scale
    biases = ("input gate", "forget gate", "cell", "output gate")
    return {
        **{f"{way}input-to-{gate} weights": weights(matrix, (cells, SIZE), scale) for gate in GATES},
        **{f"{way}recurrent-to-{gate} weights": weights(matrix, (cells, width), scale) for gate in GATES},
        **{f"{way}cell-to-{gate} weights": weights(elements.row, (cells,), elements.row_scale) for gate in PEEPHOLES},
        **{f"{way}{name} bias": weights(elements.bias, (cells,)) for name in biases},
        f"{way}projection weights": weights(matrix, (width, cells), scale),
        f"{way}projection bias": weights(elements.bias, (width,)),
    }


def _states(kind: OperandType, way: str, width: int) -> dict[str, Operand]:
    return {
        f"{way}output state": given(kind, (BATCHES, width)),
        f"{way}cell state": given(kind, (BATCHES, CELLS[way])),
    }


def _norms(elements: Elements, way: str = "") -> dict[str, Operand]:
    row = weights(elements.row, (CELLS[way],), elements.row_scale)
    return {f"{way}{gate} layer normalization weights": row for gate in GATES}


def _activation(kind: OperandType) -> dict[str, Operand]:
    none = half(0.0) if kind is F16 else scalar(0.0)
    return {"activation": scalar(4), "cell clip": none, "projection clip": none}


def _optional(way: str = "") -> tuple[str, ...]:
    """What the documentation of an LSTM calls optional."""
    return (
        f"{way}input-to-input weights",
        f"{way}recurrent-to-input weights",
        f"{way}input gate bias",
        *(f"{way}cell-to-{gate} weights" for gate in PEEPHOLES),
        f"{way}projection weights",
        f"{way}projection bias",
        *(f"{way}{gate} layer normalization weights" for gate in GATES),
    )


def lstm(kind: OperandType = F32, *, is_projected: bool = True) -> Layer:
    """One step of LSTM, whose scratch buffer has an open size, for that depends on the input gate."""
    elements, width = Elements(kind, kind, kind), _width("", is_projected=is_projected)
    inputs = {
        "input": given(kind, (BATCHES, SIZE)),
        **_weights(elements, "", width),
        **_states(kind, "", width),
        **_activation(kind),
        **_norms(elements),
    }
    sizes = (UNSPECIFIED, width, CELLS[""], width)
    return Layer("LSTM", inputs, _optional(), tuple(computed(kind, (BATCHES, size)) for size in sizes))


def sequence_lstm(kind: OperandType = F32, *, is_projected: bool = True) -> Layer:
    """UNIDIRECTIONAL_SEQUENCE_LSTM with the batch first."""
    elements, width = Elements(kind, kind, kind), _width("", is_projected=is_projected)
    inputs = {
        "input": given(kind, (BATCHES, STEPS, SIZE)),
        **_weights(elements, "", width),
        **_states(kind, "", width),
        **_activation(kind),
        "time-major": scalar(False),
        **_norms(elements),
    }
    return Layer("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, _optional(), (computed(kind, (BATCHES, STEPS, width)),))


def quantized_lstm(*, is_projected: bool = True) -> Layer:
    """One step of QUANTIZED_LSTM."""
    width = _width("", is_projected=is_projected)
    inputs = {
        "input": given(Q8S, (BATCHES, SIZE), 0.5),
        **_weights(BYTES, "", width),
        "output state": given(Q8S, (BATCHES, width), 0.5),
        "cell state": given(Q16S, (BATCHES, CELLS[""]), 2.0**-11),
        **_norms(BYTES),
        "cell clip": scalar(0.0),
        "projection clip": scalar(0.0),
        **{f"{gate} intermediate scale": scalar(0.25) for gate in GATES},
        "hidden state zero point": scalar(0),
        "hidden state scale": scalar(0.5),
    }
    output = computed(Q8S, (BATCHES, width), 0.5)
    outputs = (output, computed(Q16S, (BATCHES, CELLS[""]), 2.0**-11), output)
    return Layer("QUANTIZED_LSTM", inputs, (*_optional(), "cell clip", "projection clip"), outputs)


def bidirectional_lstm(kind: OperandType = F32, *, is_projected: bool = True) -> Layer:
    """BIDIRECTIONAL_SEQUENCE_LSTM with the batch first.

    The auxiliary input is as wide as the input, so that the backward cells may read either.
    """
    elements = Elements(kind, kind, kind)
    widths = {way: _width(way, is_projected=is_projected) for way in DIRECTIONS}
    auxiliary = {
        f"{way}auxiliary input-to-{gate} weights": weights(kind, (CELLS[way], SIZE))
        for way in DIRECTIONS
        for gate in GATES
    }
    inputs = {"input": given(kind, (BATCHES, STEPS, SIZE))}
    for way in DIRECTIONS:
        inputs |= _weights(elements, way, widths[way])
    for way in DIRECTIONS:
        inputs |= _states(kind, way, widths[way])
    inputs |= {"auxiliary input": weights(kind, (BATCHES, STEPS, SIZE)), **auxiliary, **_activation(kind)}
    inputs |= {"merge outputs": scalar(False), "time-major": scalar(False)}
    for way in DIRECTIONS:
        inputs |= _norms(elements, way)
    optional = (*_optional(DIRECTIONS[0]), *_optional(DIRECTIONS[1]), "auxiliary input", *auxiliary)
    outputs = tuple(computed(kind, (BATCHES, STEPS, width)) for width in widths.values())
    return Layer("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, optional, outputs)


def bidirectional_rnn(kind: OperandType = F32) -> Layer:
    """BIDIRECTIONAL_SEQUENCE_RNN with the batch first, and an auxiliary input as wide as the input."""
    inputs = {"input": given(kind, (BATCHES, STEPS, SIZE))}
    for way in DIRECTIONS:
        cells = CELLS[way]
        inputs |= {
            f"{way}weights": weights(kind, (cells, SIZE)),
            f"{way}recurrent weights": weights(kind, (cells, cells)),
            f"{way}bias": weights(kind, (cells,)),
            f"{way}hidden state": given(kind, (BATCHES, cells)),
        }
    optional = {
        "auxiliary input": weights(kind, (BATCHES, STEPS, SIZE)),
        **{f"{way}auxiliary weights": weights(kind, (CELLS[way], SIZE)) for way in DIRECTIONS},
    }
    inputs |= {**optional, "activation": scalar(1), "time-major": scalar(False), "merge outputs": scalar(False)}
    outputs = tuple(computed(kind, (BATCHES, STEPS, CELLS[way])) for way in DIRECTIONS)
    return Layer("BIDIRECTIONAL_SEQUENCE_RNN", inputs, tuple(optional), outputs)
