"""What recurrent layers demand of their states and weights.

PyTorch's kernels hold them to nothing: with a state of another batch or width they read past its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch

from nnapi_check.analyzer.ops.window_rules import Arguments

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def _tensors(value: object) -> list[torch.Tensor]:
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item for item in items if isinstance(item, torch.Tensor)]


def _layers(gates: int, arguments: Arguments) -> str | None:
    """Layers over a sequence, with a state for each layer and direction."""
    x, layers = arguments.get("input"), arguments.get("num_layers")
    states, params = _tensors(arguments.get("hx")), _tensors(arguments.get("params"))
    if not isinstance(x, torch.Tensor) or type(layers) is not int:
        return None
    if x.dim() != 3 or 0 in x.shape:
        return f"input is {list(x.shape)}"
    directions = 2 if arguments.get("bidirectional") is True else 1
    count = layers * directions
    biases = 2 if arguments.get("has_biases") is True else 0
    if layers < 1 or len(params) not in (count * (2 + biases), count * (3 + biases)):
        return f"{len(params)} weights for {layers} layers"
    batch = x.shape[0 if arguments.get("batch_first") is True else 1]
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
