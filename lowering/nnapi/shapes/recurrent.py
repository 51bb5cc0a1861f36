"""Output shapes of recurrent operations."""

from __future__ import annotations

from nnapi_check.lowering.nnapi.shapes.patterns import Pattern, apply
from nnapi_check.lowering.nnapi.shapes.shapes import Inferred, ShapeCall, bad_value, infers

_RNN = {1: "unit input", 2: "unit unit", 3: "unit", 4: "batch unit"}

_GATES = {
    **dict.fromkeys((1, 2, 3, 4), "cell input"),
    **dict.fromkeys((5, 6, 7, 8), "cell output"),
    **dict.fromkeys((9, 10, 11), "cell"),
    **dict.fromkeys((12, 13, 14, 15), "cell"),
    16: "output cell",
    17: "output",
    18: "batch output",
    19: "batch cell",
}
"""The inputs 1 to 19 that all LSTM operations share; peephole weights and biases have a size per cell."""


@infers("RNN")
def infer_rnn(call: ShapeCall) -> Inferred:
    """One step of a recurrent cell."""
    return apply(call, Pattern({0: "batch input", **_RNN}, ("batch unit", "batch unit")))


@infers("UNIDIRECTIONAL_SEQUENCE_RNN")
def infer_sequence_rnn(call: ShapeCall) -> Inferred:
    """A recurrent cell over a sequence, whose first axis is the batch unless it is time-major."""
    time_major = call.integer(6)
    if time_major not in (0, 1, None):
        return bad_value(6, str(time_major), "0 or 1")
    sequence = _sequence(None if time_major is None else bool(time_major))
    return apply(call, Pattern({0: f"{sequence} input", **_RNN}, (f"{sequence} unit", "batch unit")))


@infers("BIDIRECTIONAL_SEQUENCE_RNN")
def infer_bidirectional_rnn(call: ShapeCall) -> Inferred:
    """Two recurrent cells over a sequence; with parallel linking the backward one reads the auxiliary input."""
    sequence = _sequence(call.flag(13))
    backward_input = _backward_input(call, 9, 10)
    inputs = {
        0: f"{sequence} input",
        1: "forward input",
        2: "forward forward",
        3: "forward",
        4: "batch forward",
        5: f"backward {backward_input}",
        6: "backward backward",
        7: "backward",
        8: "batch backward",
        9: f"{sequence} auxiliary",
        10: "forward auxiliary",
        11: "backward auxiliary",
    }
    is_merged = call.output_count in (1, 3)
    if call.flag(14) not in (is_merged, None):
        return bad_value(14, str(call.flag(14)), f"{is_merged}, for there are {call.output_count} outputs")
    states = ("batch forward", "batch backward")
    if is_merged:
        return apply(call, Pattern(inputs, (f"{sequence} forward+backward", *states)))
    return apply(call, Pattern(inputs, (f"{sequence} forward", f"{sequence} backward", *states)))


@infers("LSTM")
def infer_lstm(call: ShapeCall) -> Inferred:
    """One step of an LSTM. The scratch buffer has three gates with coupled input and forget gates, or four."""
    is_known = 1 in call.absent or call.constants.is_constant(call.inputs[1])
    scratch = ("3*cell" if 1 in call.absent else "4*cell") if is_known else "?"
    output = _output(call, 16)
    inputs = {0: "batch input", **_gates(output), **dict.fromkeys((23, 24, 25, 26), "cell")}
    outputs = (f"batch {scratch}", f"batch {output}", "batch cell", f"batch {output}")
    return apply(call, Pattern(inputs, outputs))


@infers("UNIDIRECTIONAL_SEQUENCE_LSTM")
def infer_sequence_lstm(call: ShapeCall) -> Inferred:
    """An LSTM over a sequence."""
    sequence = _sequence(call.flag(23))
    output = _output(call, 16)
    inputs = {0: f"{sequence} input", **_gates(output), **dict.fromkeys((24, 25, 26, 27), "cell")}
    outputs = (f"{sequence} {output}", f"batch {output}", "batch cell")
    return apply(call, Pattern(inputs, outputs))


@infers("BIDIRECTIONAL_SEQUENCE_LSTM")
def infer_bidirectional_lstm(call: ShapeCall) -> Inferred:
    """Two LSTMs over a sequence, one from each end."""
    sequence = _sequence(call.flag(52))
    inputs = {0: f"{sequence} input"}
    backward_input = _backward_input(call, 39, 41)
    forward, backward = _output(call, 16, "fw"), _output(call, 33, "bw")
    for cell, output, first, states, source in (
        ("fw_cell", forward, 1, 35, "input"),
        ("bw_cell", backward, 18, 37, backward_input),
    ):
        for position, pattern in _gates(output, cell, source).items():
            inputs[first + position - 1 if position < 18 else states + position - 18] = pattern
    inputs[39] = f"{sequence} auxiliary"
    inputs |= dict.fromkeys((40, 41, 42, 43), "fw_cell auxiliary") | dict.fromkeys(
        (44, 45, 46, 47), "bw_cell auxiliary"
    )
    inputs |= dict.fromkeys((53, 54, 55, 56), "fw_cell") | dict.fromkeys((57, 58, 59, 60), "bw_cell")
    is_merged = call.output_count in (1, 5)
    if call.flag(51) not in (is_merged, None):
        return bad_value(51, str(call.flag(51)), f"{is_merged}, for there are {call.output_count} outputs")
    final = (f"batch {forward}", "batch fw_cell", f"batch {backward}", "batch bw_cell")
    if is_merged:
        return apply(call, Pattern(inputs, (f"{sequence} {forward}+{backward}", *final)))
    return apply(call, Pattern(inputs, (f"{sequence} {forward}", f"{sequence} {backward}", *final)))


@infers("QUANTIZED_LSTM")
def infer_quantized_lstm(call: ShapeCall) -> Inferred:
    """One step of an LSTM over 8-bit activations."""
    output = _output(call, 16)
    inputs = {0: "batch input", **_gates(output), **dict.fromkeys((20, 21, 22, 23), "cell")}
    return apply(call, Pattern(inputs, (f"batch {output}", "batch cell", f"batch {output}")))


@infers("QUANTIZED_16BIT_LSTM")
def infer_quantized_16bit_lstm(call: ShapeCall) -> Inferred:
    """One step of an LSTM over 8-bit activations and a 16-bit cell state."""
    inputs = {
        0: "batch input",
        **dict.fromkeys((1, 2, 3, 4), "output input"),
        **dict.fromkeys((5, 6, 7, 8), "output output"),
        **dict.fromkeys((9, 10, 11, 12), "output"),
        **dict.fromkeys((13, 14), "batch output"),
    }
    return apply(call, Pattern(inputs, ("batch output", "batch output")))


@infers("SVDF")
def infer_svdf(call: ShapeCall) -> Inferred:
    """One step of a single value decomposition filter of the given rank."""
    rank = call.integer(5)
    filters = call.dims(1)
    units = "unit"
    if rank is not None and rank > 0 and filters and isinstance(filters[0], int):
        if filters[0] % rank:
            return bad_value(5, str(rank), f"a rank that divides the {filters[0]} filters")
        units = str(filters[0] // rank)
    inputs = {0: "batch input", 1: "filter input", 2: "filter memory", 3: units, 4: "batch memory*filter"}
    return apply(call, Pattern(inputs, ("batch memory*filter", f"batch {units}")))


def _output(call: ShapeCall, projection: int, prefix: str = "") -> str:
    """The name of an LSTM's output size, which is that of its cells where it has no projection."""
    name = "cell" if projection in call.absent else "output"
    return f"{prefix}_{name}" if prefix else name


def _gates(output: str, cell: str = "cell", source: str = "input") -> dict[int, str]:
    """The shapes of the inputs 1 to 19 where the sizes have these names."""
    words = {"input": source, "cell": cell, "output": output, "batch": "batch"}
    return {position: " ".join(words[word] for word in pattern.split()) for position, pattern in _GATES.items()}


def _sequence(time_major: bool | None) -> str:
    """The first two axes of a sequence; neither has a name where their order is not known."""
    if time_major is None:
        return "? ?"
    return "time batch" if time_major else "batch time"


def _backward_input(call: ShapeCall, auxiliary: int, weights: int) -> str:
    """What the backward cells read: the input, or the auxiliary one if it comes without weights of its own."""
    if auxiliary in call.absent or call.constants.is_constant(call.inputs[weights]):
        return "input"
    return "auxiliary" if weights in call.absent else "backward_input"
