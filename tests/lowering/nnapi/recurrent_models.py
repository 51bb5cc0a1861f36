"""Small models of recurrent operations, in which no two sizes are equal."""

from __future__ import annotations

from nnapi_check.lowering.nnapi.model import Model, Operand
from tests.lowering.nnapi.small_models import (
    F32,
    I32,
    Q8,
    Q16S,
    computed,
    given,
    nothing,
    scalar,
    single,
    weights,
)


def rnn() -> Model:
    """One step of batch 2, input 3 and 4 units."""
    inputs = [
        given(F32, (2, 3)),
        weights(F32, (4, 3)),
        weights(F32, (4, 4)),
        weights(F32, (4,)),
        given(F32, (2, 4)),
        scalar(1),
    ]
    return single("RNN", inputs, [computed(F32, (2, 4)), computed(F32, (2, 4))])


def sequence_rnn(*, states: bool = False) -> Model:
    """A sequence of 5 steps, batch first."""
    inputs = [
        given(F32, (2, 5, 3)),
        weights(F32, (4, 3)),
        weights(F32, (4, 4)),
        weights(F32, (4,)),
        given(F32, (2, 4)),
        scalar(1),
        scalar(0),
    ]
    outputs = [computed(F32, (2, 5, 4))]
    if states:
        outputs.append(computed(F32, (2, 4)))
    return single("UNIDIRECTIONAL_SEQUENCE_RNN", inputs, outputs)


def bidirectional_rnn(
    *, merged: bool = False, states: bool = False, time_major: bool = False, auxiliary: Operand | None = None
) -> Model:
    """Batch 2, 5 steps, input 3, 4 units forward and 6 backward."""
    steps = (5, 2) if time_major else (2, 5)
    missing = auxiliary or nothing(F32, (1,))
    inputs = [
        given(F32, (*steps, 3)),
        weights(F32, (4, 3)),
        weights(F32, (4, 4)),
        weights(F32, (4,)),
        given(F32, (2, 4)),
        weights(F32, (6, 3)),
        weights(F32, (6, 6)),
        weights(F32, (6,)),
        given(F32, (2, 6)),
        missing,
        missing,
        missing,
        scalar(1),
        scalar(time_major),
        scalar(merged),
    ]
    widths = (10,) if merged else (4, 6)
    outputs = [computed(F32, (*steps, width)) for width in widths]
    if states:
        outputs += [computed(F32, (2, 4)), computed(F32, (2, 6))]
    return single("BIDIRECTIONAL_SEQUENCE_RNN", inputs, outputs)


def _direction(cells: int, size: int) -> list[Operand]:
    """The 17 weights of one direction, without peepholes and projection: its output is as wide as its cells."""
    return [
        *(weights(F32, (cells, size)) for _ in range(4)),
        *(weights(F32, (cells, cells)) for _ in range(4)),
        *(nothing(F32, (cells,)) for _ in range(3)),
        *(weights(F32, (cells,)) for _ in range(4)),
        nothing(F32, (cells, cells)),
        nothing(F32, (cells,)),
    ]


def bidirectional_lstm(*, merged: bool = False, states: bool = False, auxiliary: Operand | None = None) -> Model:
    """Batch 2, 7 steps, input 3, 4 cells forward and 5 backward."""
    missing = auxiliary or nothing(F32, (1,))
    inputs = [
        given(F32, (2, 7, 3)),
        *_direction(4, 3),
        *_direction(5, 3),
        given(F32, (2, 4)),
        given(F32, (2, 4)),
        given(F32, (2, 5)),
        given(F32, (2, 5)),
        *(missing for _ in range(9)),
        scalar(4),
        scalar(0.0),
        scalar(0.0),
        scalar(merged),
        scalar(False),
        *(nothing(F32, (1,)) for _ in range(8)),
    ]
    widths = (9,) if merged else (4, 5)
    outputs = [computed(F32, (2, 7, width)) for width in widths]
    if states:
        outputs += [computed(F32, (2, width)) for width in (4, 4, 5, 5)]
    return single("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, outputs)


def svdf() -> Model:
    """Batch 2, input 3, 8 filters of rank 2 and memory 5: 4 units."""
    inputs = [
        given(F32, (2, 3)),
        weights(F32, (8, 3)),
        weights(F32, (8, 5)),
        weights(F32, (4,)),
        given(F32, (2, 40)),
        scalar(2),
        scalar(0),
    ]
    return single("SVDF", inputs, [computed(F32, (2, 40)), computed(F32, (2, 4))])


def wide_lstm() -> Model:
    """QUANTIZED_16BIT_LSTM of batch 2, input 3 and output 4."""
    inputs = [
        given(Q8, (2, 3), 1 / 128, 128),
        *(weights(Q8, (4, 3), 0.25, 100) for _ in range(4)),
        *(weights(Q8, (4, 4), 0.25, 100) for _ in range(4)),
        *(weights(I32, (4,), 0.25 / 128) for _ in range(4)),
        given(Q16S, (2, 4), 1 / 2048),
        given(Q8, (2, 4), 1 / 128, 128),
    ]
    outputs = [computed(Q16S, (2, 4), 1 / 2048), computed(Q8, (2, 4), 1 / 128, 128)]
    return single("QUANTIZED_16BIT_LSTM", inputs, outputs)
