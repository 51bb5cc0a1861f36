"""Constant places of a tensor, as decompositions write paddings and resizing: the op of PyTorch that picks the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.border_pads import border_pads

Rows = Mapping[int, tuple[int, ...]]
Call = tuple[str, dict[str, object]]

_FLOATS = frozenset({ElementType.FLOAT32, ElementType.FLOAT16})
_WHOLE = frozenset({torch.int64, torch.int32})
_BORDERS: Mapping[str, Callable[[int, int], int]] = {
    "reflect": lambda place, size: size - 1 - abs(size - 1 - abs(place)),
    "replicate": lambda place, size: min(max(place, 0), size - 1),
    "circular": lambda place, size: place % size,
}
"""Which cell of ``size`` stands at a place before, among or behind them."""
_NARROWER = {"reflect": 1, "circular": 0}
"""By how much a border must be narrower than the tensor, where it may not be as wide as it likes."""
_RESIZING: Mapping[str, Callable[[torch.Tensor, list[int]], torch.Tensor]] = {
    "upsample_nearest": torch.ops.aten.upsample_nearest1d.default,
    "_upsample_nearest_exact": torch.ops.aten._upsample_nearest_exact1d.default,
}
_SCALES: Mapping[int, tuple[str, ...]] = {1: ("scales",), 2: ("scales_h", "scales_w")}


def by_places(arguments: Mapping[str, object]) -> Call | None:
    """The call that picks the same elements as ``aten.index.Tensor`` with these arguments, where there is one."""
    source, indices = arguments["self"], arguments["indices"]
    if not isinstance(source, Draft) or not isinstance(source.type, TensorType) or not isinstance(indices, list):
        return None
    rows = _rows(indices, source.type.shape) if source.type.dtype in _FLOATS else None
    if rows is None:
        return None
    return _padding(source, source.type, rows) or _resizing(source, source.type, rows)


def _rows(indices: Sequence[object], shape: Sequence[int]) -> Rows | None:
    """By dimensions that follow one another, the places that each takes of its own; None where they are otherwise."""
    dims = [dim for dim, index in enumerate(indices) if index is not None]
    if not dims or dims != list(range(dims[0], dims[-1] + 1)):
        return None
    rows: dict[int, tuple[int, ...]] = {}
    for number, dim in enumerate(dims):
        index = indices[dim]
        if not isinstance(index, Draft) or not index.is_constant or not index.is_real or index.tensor is None:
            return None
        found = index.tensor
        wide = (*[1] * (len(dims) - found.dim()), *found.shape)
        is_own = all(size == 1 for place, size in enumerate(wide) if place != number)
        if found.dtype not in _WHOLE or not found.numel() or len(wide) != len(dims) or not is_own:
            return None
        rows[dim] = tuple(place % shape[dim] for place in found.flatten().tolist())
    return rows


def _padding(source: Draft, kind: TensorType, rows: Rows) -> Call | None:
    """A padding of one dimension, which has no border where every place is taken once, in order."""
    if len(rows) != 1:
        return None
    ((dim, row),) = rows.items()
    size = kind.shape[dim]
    before = row.index(0) if 0 in row else 0
    starts = (start for start in range(before, len(row) - size + 1) if row[start : start + size] == tuple(range(size)))
    for start in starts:
        borders = (start, len(row) - size - start)
        pads = border_pads(kind.rank, {dim: borders})
        for mode, cell in _BORDERS.items():
            is_narrow = mode not in _NARROWER or max(borders) <= size - _NARROWER[mode]
            if is_narrow and row == tuple(cell(i - start, size) for i in range(len(row))) and pads:
                return "aten.pad.default", {"self": source, "pad": list(pads), "mode": mode, "value": None}
    return None


def _resizing(source: Draft, kind: TensorType, rows: Rows) -> Call | None:
    """The nearest cells of all dimensions behind batch and channels."""
    if len(rows) not in _SCALES or tuple(rows) != tuple(range(2, kind.rank)):
        return None
    for name, resize in _RESIZING.items():
        if all(_resized(resize, kind.shape[dim], len(row)) == row for dim, row in rows.items()):
            given: dict[str, object] = {"self": source, "output_size": [len(row) for row in rows.values()]}
            return f"aten.{name}{len(rows)}d.default", given | dict.fromkeys(_SCALES[len(rows)])
    return None


def _resized(resize: Callable[[torch.Tensor, list[int]], torch.Tensor], size: int, wanted: int) -> tuple[int, ...]:
    numbered = torch.arange(size, dtype=torch.float64).reshape(1, 1, size)
    return tuple(int(place) for place in resize(numbered, [wanted]).flatten().tolist())
