"""Packed sequences of one known length: a transposition and a reshape make them, and layers see steps side by side.

Packed are the first steps of all sequences, then the second ones, beside how many sequences each step has. Where that
is a constant and always the same number, no sequence ends before another.
"""

from __future__ import annotations

from functools import partial

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands


@expands("aten._pack_padded_sequence.default")
def pack_padded_sequence(call: Call) -> str | None:
    """Steps first, and all of them as rows."""
    padded, is_batch_first, lengths = call.tensor("input").shape, call.truth("batch_first"), call.elements("lengths")
    batch, most = padded[:2] if is_batch_first else padded[1::-1]
    length = _one_number(lengths)
    if lengths is None or length is None or len(lengths) != batch or not 0 < length <= most:
        return None
    whole = "input" if length == most else f"input.narrow({1 if is_batch_first else 0}, 0, {length})"
    steps = f"{whole}.transpose(0, 1)" if is_batch_first and 1 not in (batch, length) else whole
    rows = f"{steps}.reshape({list(call.outputs[0].shape)}).clone()"
    return f"{rows}, torch.full([{length}], {batch}, dtype=torch.int64)"


@expands("aten._pad_packed_sequence.default")
def pad_packed_sequence(call: Call) -> str | None:
    """The rows as steps again, and behind them what is padded with."""
    steps = _steps(call)
    if steps is None:
        return None
    (length, batch, *others), padded, is_batch_first = steps, call.outputs[0].shape, call.truth("batch_first")
    if is_batch_first and 1 in (batch, length):
        sequences = f"data.reshape({[batch, length, *others]})"
    else:
        sequences = f"data.reshape({steps})" + (".transpose(0, 1)" if is_batch_first else "")
    more = padded[1 if is_batch_first else 0] - length
    if more:
        pads = [0, 0] * (len(others) + (0 if is_batch_first else 1))
        value = repr(call.number("padding_value"))
        sequences = f"torch.constant_pad_nd({sequences}, {[*pads, 0, more]}, {value})"
    else:
        sequences = f"{sequences}.clone()"
    return f"{sequences}, torch.full([{batch}], {length}, dtype=torch.int64)"


def _layers(op: str, call: Call) -> str | None:
    """The layers over a tensor that has the steps first."""
    steps = _steps(call)
    if steps is None:
        return None
    names = ("has_biases", "num_layers", "dropout", "train", "bidirectional")
    numbers = ", ".join(repr(call.arguments[name]) for name in names)
    states = ", ".join(f"state{number}" for number in range(1, len(call.outputs)))
    return (
        f"made, {states} = torch.ops.aten.{op}(data.reshape({steps}), hx, params, {numbers}, False)\n"
        f"made.reshape({list(call.outputs[0].shape)}), {states}"
    )


for _op in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
    expands(f"aten.{_op}.data")(partial(_layers, _op))


def _steps(call: Call) -> list[int] | None:
    """The shape of packed rows with a dimension for the steps and one for the sequences."""
    rows, sizes = call.tensor("data").shape, call.elements("batch_sizes")
    batch = _one_number(sizes)
    if sizes is None or batch is None or rows[0] != len(sizes) * batch:
        return None
    return [len(sizes), batch, *rows[1:]]


def _one_number(numbers: list[int] | None) -> int | None:
    """The number that all of them are."""
    return numbers[0] if numbers and len(set(numbers)) == 1 else None
