"""What recurrent layers demand of their states and weights.

PyTorch's kernels hold them to nothing: with a state of another batch or width they read past its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch

from nnapi_check.analyzer.ops.window_rules import Arguments

_SIZES = "how many sequences each step has, is known"
_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def _tensors(value: object) -> list[torch.Tensor]:
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item for item in items if isinstance(item, torch.Tensor)]


def _layers(gates: int, arguments: Arguments) -> str | None:
    """Layers over a sequence, or over packed ones, with a state for each layer and direction."""
    is_packed = "data" in arguments
    x, layers = arguments.get("data" if is_packed else "input"), arguments.get("num_layers")
    states, params = _tensors(arguments.get("hx")), _tensors(arguments.get("params"))
    if not isinstance(x, torch.Tensor) or type(layers) is not int:
        return None
    if x.dim() != (2 if is_packed else 3) or 0 in x.shape:
        return f"input is {list(x.shape)}"
    refused = _step_sizes(x.shape[0], arguments) if is_packed else None
    if refused is not None:
        return refused
    directions = 2 if arguments.get("bidirectional") is True else 1
    count = layers * directions
    biases = 2 if arguments.get("has_biases") is True else 0
    if layers < 1 or len(params) not in (count * (2 + biases), count * (3 + biases)):
        return f"{len(params)} weights for {layers} layers"
    batch = _batch(x, arguments)
    size = len(params) // count
    cells, width = _widths(gates, params[:size])
    wanted = [(count, batch, width), *([(count, batch, cells)] if gates == 4 else [])]
    if [tuple(state.shape) for state in states] != wanted:
        return f"hx is {_shapes(states)}, wanted {[list(shape) for shape in wanted]}"
    for place in range(count):
        read = x.shape[-1] if place < directions else width * directions
        weights = params[place * size : (place + 1) * size]
        refused = _weights(weights, _expected(gates, cells, width, read, biases, is_projected=size > 2 + biases))
        if refused is not None:
            return refused
    return _one_dtype([x, *states, *params])


def _batch(x: torch.Tensor, arguments: Arguments) -> int:
    sizes = arguments.get("batch_sizes")
    if isinstance(sizes, torch.Tensor):
        return int(sizes[0])
    return x.shape[0 if arguments.get("batch_first") is True else 1]


def _known(name: str, told: str, arguments: Arguments) -> str | None:
    found = arguments.get(name)
    return f"{told} in a run alone" if isinstance(found, torch.Tensor) and found.is_meta else None


def _step_sizes(rows: int, arguments: Arguments) -> str | None:
    """How many sequences each step has, of which some end before others: ``rows`` together."""
    sizes = arguments.get("batch_sizes")
    if not isinstance(sizes, torch.Tensor) or sizes.is_meta:
        return _known("batch_sizes", _SIZES, arguments)
    numbers = sizes.flatten().tolist()
    is_falling = all(0 < later <= former for former, later in pairwise([rows, *numbers]))
    fits = sizes.dim() == 1 and sizes.dtype is torch.int64 and sum(numbers) == rows
    return None if fits and is_falling else f"batch_sizes are {numbers} for {rows} rows"


def _cell(gates: int, arguments: Arguments) -> str | None:
    """One step of one cell."""
    x, states = arguments.get("input"), _tensors(arguments.get("hx"))
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    params = _tensors([arguments.get(name) for name in names])
    if not isinstance(x, torch.Tensor) or len(params) < 2:
        return None
    if x.dim() != 2:
        return f"input is {list(x.shape)}"
    cells, _ = _widths(gates, params)
    wanted = [(x.shape[0], cells)] * (2 if gates == 4 else 1)
    if [tuple(state.shape) for state in states] != wanted:
        return f"hx is {_shapes(states)}, wanted {[list(shape) for shape in wanted]}"
    biases = len(params) - 2
    expected = _expected(gates, cells, cells, x.shape[1], biases, is_projected=False)
    return _weights(params, expected) or _one_dtype([x, *states, *params])


def _widths(gates: int, weights: Sequence[torch.Tensor]) -> tuple[int, int]:
    """How many cells there are, and how many numbers a step hands on."""
    rows = weights[0].shape[0] if weights[0].dim() else 0
    return rows // gates, weights[1].shape[-1] if weights[1].dim() else 0


def _expected(
    gates: int, cells: int, width: int, read: int, biases: int, *, is_projected: bool
) -> list[tuple[int, ...]]:
    rows = gates * cells
    last = [(width, cells)] if is_projected else []
    return [(rows, read), (rows, width if is_projected else cells), *[(rows,)] * biases, *last]


def _weights(found: Sequence[torch.Tensor], wanted: Sequence[tuple[int, ...]]) -> str | None:
    if [tuple(weight.shape) for weight in found] == list(wanted):
        return None
    return f"the weights are {_shapes(found)}, wanted {[list(shape) for shape in wanted]}"


def _one_dtype(tensors: Sequence[torch.Tensor]) -> str | None:
    dtypes = {str(tensor.dtype) for tensor in tensors}
    return None if len(dtypes) == 1 else f"input, states and weights are {', '.join(sorted(dtypes))}"


def _shapes(tensors: Sequence[torch.Tensor]) -> str:
    return str([list(tensor.shape) for tensor in tensors])


RECURRENCE_CONDITIONS: Mapping[str, Callable[[Arguments], str | None]] = {
    **{f"aten::{name}": partial(_layers, gates) for name, gates in _GATES.items()},
    **{f"aten::{name}_cell": partial(_cell, gates) for name, gates in _GATES.items()},
}
"""Conditions by the op's name without overload."""

PACKING_CONDITIONS: Mapping[str, Callable[[Arguments], str | None]] = {
    "aten::_pack_padded_sequence": partial(_known, "lengths", "how long each sequence is, is known"),
    "aten::_pad_packed_sequence": partial(_known, "batch_sizes", _SIZES),
}
"""Those of what comes before and after layers over packed sequences, which PyTorch's kernels look at themselves."""
